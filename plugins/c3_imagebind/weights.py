"""Where a model's weights come from: a file, the official address, or a seed."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import torch
from safetensors.torch import load_file
from torch import Tensor

from c3_imagebind.sizes import SIZES, Size
from c3_imagebind.upstream import build
from c3core.errors import C3Error, CorruptFile, lines_of
from c3core.io import atomic_write
from c3core.runtime import progress_bar

ADDRESS = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
LICENCE = "CC-BY-NC-SA-4.0"
PARTS = ("modality_preprocessors", "modality_trunks", "modality_heads", "modality_postprocessors")
_MEGABYTE = 1 << 20


def license_of(size: Size, weights: str | None) -> str:
    """Under which license weights stand: every checkpoint of the official size is that one, or was made from it."""
    if weights is None:
        return "own"
    return LICENCE if size == SIZES["huge"] else "unknown"


def model_of(size: Size, weights: str | None, seed: int) -> Any:
    """Upstream's model with `weights`: the path of a .pth or .safetensors file, an http(s) address, None for random
    ones.
    """
    if weights is None:
        return build(size, seed=seed)
    if license_of(size, weights) == LICENCE:
        warnings.warn(
            f"ImageBind's weights stand under {LICENCE}: name Meta AI, share alike, no commercial use.", stacklevel=2
        )
    path = fetch(weights) if is_address(weights) else Path(weights)
    tensors = _read(path)
    model = build(size, seed=None)
    try:
        model.load_state_dict(tensors, assign=True)  # as they lie in the file: nothing is copied
    except RuntimeError as error:
        reason = lines_of(error)[-1]
        raise C3Error(
            f"{path} does not fit this size of ImageBind ({reason[:200]}). Name the size that it was made with."
        ) from None
    return model.eval().requires_grad_(False)


def is_address(weights: str) -> bool:
    return re.match("https?://", weights) is not None


def fetch(address: str) -> Path:
    """The file of an address, downloaded once into torch's folder of checkpoints (`TORCH_HOME` moves it)."""
    name = Path(urlsplit(address).path)  # what stands behind a ? is no part of it
    known = name.stem if address == ADDRESS else f"{name.stem}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"{known}{name.suffix}"
    if path.exists():
        return path
    instead = f"Download it yourself and name the file: imagebind:huge/{path}"
    try:
        answer = urlopen(address, timeout=60)
    except (OSError, ValueError, HTTPException) as error:
        raise C3Error(f"cannot reach {address} ({error}). {instead}") from error
    size = int(answer.headers.get("Content-Length") or 0)
    with (
        answer,
        progress_bar(f"downloading {path.name} (MB)", total=size // _MEGABYTE or None) as bar,
        atomic_write(path) as temporary,
        open(temporary, "wb") as handle,
    ):
        while chunk := _next(answer, address):
            handle.write(chunk)
            bar.advance(len(chunk) // _MEGABYTE)
        if handle.tell() < size:
            raise C3Error(f"{address} broke off after {handle.tell():,} of {size:,} bytes. Run again. {instead}")
    return path


def _next(answer: Any, address: str) -> bytes:
    try:
        chunk: bytes = answer.read(_MEGABYTE)
    except (OSError, HTTPException) as error:
        raise C3Error(f"the download of {address} broke off ({error}). Run again.") from error
    return chunk


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors by name, float32, mapped from the file where it allows that."""
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            # Files of torch before 1.6 cannot be mapped.
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except FileNotFoundError:
        raise C3Error(f"no file {path}. Check its name.") from None
    except Exception as error:  # whatever torch's reader raises over a file of something else
        reason = lines_of(error)[0]
        raise CorruptFile(f"{path} holds no plain weights, or is truncated ({reason[:120]}). Get it again.") from None
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise C3Error(
            f"{path} holds something else than tensors by name. Use the official checkpoint, or one made of it."
        )
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def fingerprint(model: Any, trunk: str, settings: Mapping[str, Any]) -> str:
    """A hash of the weights that one modality goes through and of `settings`; the file that they came in does not
    count.
    """
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode())
    for part in PARTS:
        for name, tensor in getattr(model, part)[trunk].state_dict().items():
            digest.update(f"{part}.{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().reshape(-1).numpy())
    return digest.hexdigest()[:32]
