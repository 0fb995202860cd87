"""Folders in diffusers' format, from the hub or the disk: models and pipelines with safetensors weights."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import logging

from c3core.errors import C3Error, NotReachable, WrongCall, library_errors
from c3core.io import UNKNOWN_LICENSE, model_license, read_json, refuse_pickles
from c3core.runtime import without_bars

WEIGHTS = (".safetensors", ".safetensors.index.json", "-*.safetensors")  # one file, or an index and shards
VARIANT = re.compile(r"[^.]+\.([^.-]+)(-\d+-of-\d+)?\.safetensors")  # model.fp16.safetensors


def diffusers_folder(name: str, *, part: str | None = None) -> Path:
    """Return the folder of a local path, or of a hub name, which is fetched into the hub's cache.

    `part` is the subfolder that is wanted, if there is one. Without it a whole pipeline is fetched.
    """
    folder = Path(name).expanduser()
    if not os.path.isdir(folder):  # `folder.is_dir()` fails if a name is too long
        if folder.is_absolute() or name.startswith((".", "~")):  # no hub name begins so
            raise WrongCall(
                f"{name!r}: no such folder. Give one in diffusers' format with safetensors weights, or a hub name."
            )
        with hub_errors(name):
            folder = _part(name, part) if part else _pipeline(name)
    return folder / part if part and (folder / part / "config.json").is_file() else folder


def _pipeline(name: str) -> Path:
    """Fetch only what the pipeline needs: hub folders often hold the same weights in several forms."""
    try:
        return Path(diffusers.DiffusionPipeline.download(name, use_safetensors=True))
    except OSError as error:
        if "safetensors" not in str(error):
            raise
        return Path(diffusers.DiffusionPipeline.download(name, use_safetensors=True, variant="fp16"))


def variant_of(folders: Iterable[Path]) -> str | None:
    """Return the variant of the weights, such as "fp16", if one of the folders holds no other weights."""
    for folder in folders:
        names = [path.name for path in sorted(folder.glob("*.safetensors"))]
        variants = [match[1] for name in names if (match := VARIANT.fullmatch(name))]
        if variants and len(variants) == len(names):
            return variants[0]
    return None


def _part(name: str, part: str) -> Path:
    from huggingface_hub import snapshot_download

    # No pattern begins with a star, which would match across folders: every part of the pipeline would come along.
    weights = [f"{start}model{end}" for start in ("", "diffusion_pytorch_") for end in WEIGHTS]
    patterns = [f"{folder}{file}" for folder in ("", f"{part}/") for file in ("config.json", *weights)]
    return Path(snapshot_download(name, allow_patterns=patterns))


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Turn an error of the hub into a `NotReachable` that names what was asked for."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # the error below says once that the hub cannot be reached
    try:
        with library_errors(
            f"there is no folder {name!r}, and the hub has no such model or cannot be reached",
            "Check the name, or fetch it where the hub can be reached and give its folder.",
            NotReachable,
        ):
            yield
    finally:
        logging.set_verbosity(level)


def fingerprint(folder: Path, parts: Iterable[str]) -> str:
    """Hash these parts of a pipeline's folder: the name and length of each file, and 16 pieces of its bytes.

    Weights that were trained further differ nearly everywhere, so that pieces suffice; to read gigabytes takes minutes.
    Other parts, and the same weights in a form that is not loaded, do not count.
    """
    digest, parts = hashlib.sha256(), list(parts)
    variant = variant_of(folder / part for part in parts)
    for path in sorted(path for part in parts for path in (folder / part).glob("*")):
        form = path.stem.removesuffix(".safetensors.index").partition(".")[2].partition("-")[0]
        if form not in ("", variant) or path.suffix not in (".json", ".txt", ".safetensors"):
            continue  # model.fp16.safetensors, pytorch_model.bin.index.json
        length = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}:{length};".encode())
        with open(path, "rb") as file:
            for place in range(16):
                file.seek(place * length // 16)
                digest.update(file.read(4096))
    return digest.hexdigest()


def license_of(folder: Path, name: str) -> str:
    """Return the license that the model's card names, in its folder or on the hub, or `UNKNOWN_LICENSE`."""
    found = model_license(folder)
    if found == UNKNOWN_LICENSE and not Path(name).expanduser().is_dir():
        with suppress(C3Error):  # the model is here already: drawing needs no hub
            found = model_license(name)
    return found


def class_name(folder: Path, file: str) -> str:
    """Return the class that a folder in diffusers' format names in `file`. Raises `C3Error` if it names none."""
    if not (folder / file).is_file():
        raise WrongCall(f"{folder} is no folder of diffusers: it lacks {file}. Check its name, or save it again.")
    config = read_json(folder / file)
    found = config.get("_class_name") if isinstance(config, dict) else None
    if not isinstance(found, str):
        raise C3Error(f"{folder / file} names no class of diffusers. Save the folder with save_pretrained.")
    return found


def from_folder(folder: Path, kinds: Sequence[str]) -> Any:
    """Load the model in a folder, in float32. Raises `C3Error` if it is of no kind of `kinds`, broken or pickled."""
    found = class_name(folder, "config.json")
    if found not in kinds:
        raise WrongCall(f"{folder} holds a {found}, not one of {', '.join(kinds)}.")
    refuse_pickles(folder, lone=True)
    with loading(folder):
        return getattr(diffusers, found).from_pretrained(
            folder, use_safetensors=True, variant=variant_of([folder]), dtype=torch.float32
        )


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Turn an error of the libraries inside into a `C3Error` that names the folder, and hide their progress bars."""
    from transformers.utils import logging as transformers_logging

    what, advice = f"{folder} cannot be loaded by diffusers", "It may be truncated: save or fetch it again."
    with library_errors(what, advice), without_bars(logging, transformers_logging):
        yield
