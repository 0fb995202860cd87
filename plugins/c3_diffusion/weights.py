"""Tensors in safetensors files, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from c3core.errors import C3Error
from c3core.files import replacing

PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})


def refuse_pickles(folder: Path) -> None:
    """A `C3Error` for a folder whose weights, or those of a part, are pickled alone: reading them could run anybody's code.

    Pickles beside safetensors are passed over: the hub's folders often hold both, and only the latter are read.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix in PICKLES and not list(path.parent.glob("*.safetensors")):
            raise C3Error(f"{path} looks like pickled weights, which are never read. Save or convert them as safetensors.")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> None:
    """Write tensors by name as `dtype`, whole or not at all. A number that `dtype` cannot hold is a `C3Error`."""
    cast = {name: value.detach().cpu().to(dtype).contiguous() for name, value in tensors.items()}
    for name, value in cast.items():
        if not torch.isfinite(value).all():
            raise C3Error(f"{name} has numbers that {str(dtype).removeprefix('torch.')} cannot hold. Save with weights=float32.")
    with replacing(path) as temporary:
        save_file(cast, temporary)


def read_tensors(path: Path, module: nn.Module) -> None:
    """Copy a file's tensors into a module. A `C3Error` unless their names and shapes are the module's."""
    if not path.is_file():
        raise C3Error(f"{path} is missing. Check the folder's name, or save the decoder again.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise C3Error(f"{path} cannot be read ({error}). It may be truncated: save the decoder again.") from error
    expected = module.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        wanted, found = (tuple(part[name].shape) if name in part else None for part in (expected, tensors))
        if wanted != found:
            raise C3Error(
                f"{path} does not fit its decoder.json: {name} has shape {found}, expected {wanted}."
                " Weights of another resolution or size cannot be used."
            )
    module.load_state_dict(tensors)
