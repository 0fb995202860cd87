"""Upstream weights that exist only as a torch file, turned into safetensors once; no pickled code is run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from c3core.errors import C3Error, CorruptFile, WrongCall, lines_of
from c3core.io.files import atomic_write


def convert_weights(weights: Path, out: Path) -> int:
    """Write the tensors of a torch file to safetensors; returns how many. Nested names, and positions in lists, are
    joined by dots.

    Read with `weights_only=True`: a file that holds anything but tensors and plain values is refused.
    """
    if out.suffix != ".safetensors":
        raise WrongCall(f"the output must end in .safetensors, not {out.name!r}.")
    if not weights.is_file():
        raise WrongCall(f"no file {weights}. Check its name.")
    try:
        with warnings.catch_warnings(action="ignore"):  # of torch's, about how the file was saved
            loaded = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch's reader raises over a file of something else
        why = _short(lines_of(error)[0]) if os.path.getsize(weights) else "it is empty"
        raise CorruptFile(f"{weights} holds no plain weights, or is truncated ({why}). It was not run.") from None
    tensors: dict[str, Tensor] = {}
    for name, tensor in _tensors(loaded, ""):
        if name in tensors:
            raise C3Error(f"{weights} holds two tensors that would both be called {name!r}. Save it with other names.")
        tensors[name] = tensor
    if not tensors:
        raise C3Error(f"{weights} holds no tensors.")
    with atomic_write(out) as temporary:
        save_file(tensors, temporary)
    return len(tensors)


def _short(reason: str) -> str:
    """The first sentence: torch goes on at length."""
    return reason.split(". ")[0][:200]


def _tensors(value: Any, prefix: str) -> Any:
    """(name, tensor) of nested mappings and lists; tensors that share memory are copied, as safetensors wants."""
    if isinstance(value, Tensor):
        yield prefix or "tensor", value.detach().clone().contiguous()
    elif isinstance(value, Mapping | list | tuple):
        for key, entry in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _tensors(entry, f"{prefix}.{key}" if prefix else str(key))
