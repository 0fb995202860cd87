"""Tensors in safetensors files, checked when they are read."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from c3core.errors import C3Error
from c3core.files import replacing

PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})


def refuse_pickles(folder: Path) -> None:
    """A `C3Error` for a folder that holds pickled weights: reading them could run anybody's code."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in PICKLES:
            raise C3Error(f"{path} looks like pickled weights, which are never read. Take it away, or use safetensors.")


def write_module(path: Path, module: nn.Module, dtype: torch.dtype) -> None:
    """Write a module's parameters and buffers in `dtype`, whole or not at all."""
    state = {name: value.detach().cpu().to(dtype).contiguous() for name, value in module.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary)


def read_module(path: Path, module: nn.Module) -> None:
    """Read what `write_module` wrote. A `C3Error` unless names and shapes are the module's."""
    if not path.is_file():
        raise C3Error(f"{path} is missing. Check the folder's name, or save the decoder again.")
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        raise C3Error(f"{path} cannot be read ({error}). It may be truncated: save the decoder again.") from error
    expected = module.state_dict()
    for name in sorted(expected.keys() | found.keys()):
        wanted, shape = (tuple(part[name].shape) if name in part else None for part in (expected, found))
        if wanted != shape:
            raise C3Error(f"{path} does not fit its decoder.json: {name} has shape {shape}, expected {wanted}.")
    module.load_state_dict(found)
