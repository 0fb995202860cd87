"""Tensors in safetensors files, checked when they are read."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from c3core.errors import C3Error
from c3core.files import replacing

PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})


def refuse_pickles(folder: Path) -> None:
    """A `C3Error` for a folder that holds pickled weights: reading them could run anybody's code."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in PICKLES:
            raise C3Error(f"{path} looks like pickled weights, which are never read. Take it away, or use safetensors.")


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors by name, whole or not at all."""
    with replacing(path) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary)


def read_tensors(path: Path, module: nn.Module, expected: dict[str, Tensor]) -> None:
    """Copy a file's tensors into a module. A `C3Error` unless their names and shapes are those of `expected`."""
    if not path.is_file():
        raise C3Error(f"{path} is missing. Check the folder's name, or save the decoder again.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise C3Error(f"{path} cannot be read ({error}). It may be truncated: save the decoder again.") from error
    for name in sorted(expected.keys() | tensors.keys()):
        wanted, found = (tuple(part[name].shape) if name in part else None for part in (expected, tensors))
        if wanted != found:
            raise C3Error(f"{path} does not fit its decoder.json: {name} has shape {found}, expected {wanted}.")
    module.load_state_dict(tensors, strict=False)
