"""Load a model's weights from a file, from the official address, or from a seed."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import torch
from safetensors.torch import load_file
from torch import Tensor

from c3_imagebind.sizes import SIZES, Size
from c3_imagebind.upstream import build
from c3core.errors import CorruptFile, NotReachable, library_errors, warn
from c3core.io import atomic_write, short_hash, tensor_hash
from c3core.runtime import progress_bar

ADDRESS = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
LICENSE = "CC-BY-NC-SA-4.0"
PARTS = ("modality_preprocessors", "modality_trunks", "modality_heads", "modality_postprocessors")
_MEGABYTE = 1 << 20


def license_of(size: Size, weights: str | None) -> str:
    """The license of the weights. Any checkpoint of the official size is upstream's, or was made from it."""
    if weights is None:
        return "own"
    return LICENSE if size == SIZES["huge"] else "unknown"


def load_model(size: Size, weights: str | None, seed: int) -> Any:
    """Upstream's model with the weights of a .pth or .safetensors file or an http(s) address; None draws random ones.

    Raises `C3Error` if the weights cannot be fetched or read, or are of another size.
    """
    if weights is None:
        return build(size, seed=seed)
    if license_of(size, weights) == LICENSE:
        warn(
            f"ImageBind's weights have the license {LICENSE}: name Meta AI, share alike, no commercial use.",
        )
    path = fetch(weights) if is_address(weights) else Path(weights)
    tensors = _read(path)
    model = build(size, seed=None)
    what, advice = f"{path} does not fit this size of ImageBind", "Name the size that it was made with."
    with library_errors(what, advice, CorruptFile):
        model.load_state_dict(tensors, assign=True)  # the tensors stay mapped from the file: nothing is copied
    return model.eval().requires_grad_(False)


def is_address(weights: str) -> bool:
    return re.match("https?://", weights) is not None


def fetch(address: str) -> Path:
    """The file of an address. It is downloaded once, into torch's folder of checkpoints (`TORCH_HOME` moves it)."""
    name = Path(urlsplit(address).path)  # without what follows a "?"
    known = name.stem if address == ADDRESS else f"{name.stem}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"{known}{name.suffix}"
    if path.exists():
        return path
    advice = f"Download it yourself and name the file: imagebind:huge/{path}"
    with library_errors(f"{address} cannot be reached", advice, NotReachable):
        answer = urlopen(address, timeout=60)
    size = int(answer.headers.get("Content-Length") or 0)
    with (
        answer,
        progress_bar(f"downloading {path.name} (MB)", total=size // _MEGABYTE or None) as bar,
        atomic_write(path) as temporary,
        open(temporary, "wb") as handle,
    ):
        for chunk in _chunks(answer, address):
            handle.write(chunk)
            bar.advance(len(chunk) // _MEGABYTE)
        if handle.tell() < size:
            raise NotReachable(f"{address} broke off after {handle.tell():,} of {size:,} bytes. Run again. {advice}")
    return path


def _chunks(answer: Any, address: str) -> Iterator[bytes]:
    while True:
        with library_errors(f"the download of {address} broke off", "Run again.", NotReachable):
            chunk: bytes = answer.read(_MEGABYTE)
        if not chunk:
            return
        yield chunk


def _read(path: Path) -> dict[str, Tensor]:
    """The float32 tensors in a file by name, mapped from the file if its format allows that."""
    with library_errors(f"{path} cannot be read as weights", "Get it again.", CorruptFile):
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:  # torch before 1.6 wrote files that cannot be mapped
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise CorruptFile(f"{path} does not hold tensors by name. Use the official checkpoint, or one made from it.")
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def fingerprint(model: Any, trunk: str, settings: Mapping[str, Any]) -> str:
    """A hash of the weights that one modality goes through and of `settings`. It does not depend on the file."""
    weights = {
        f"{part}.{name}": tensor for part in PARTS for name, tensor in getattr(model, part)[trunk].state_dict().items()
    }
    return short_hash(f"{json.dumps(dict(settings), sort_keys=True)}\0{tensor_hash(weights)}")
