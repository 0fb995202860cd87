"""Convert weights that exist only as a torch file to safetensors, without running pickled code."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from c3_convert.pickled import read_modules
from c3core.errors import C3Error, CorruptFile, WrongCall, lines_of
from c3core.io import atomic_write, path_of

DEEPEST = 100  # levels of mappings and lists


def convert_weights(weights: str | Path, out: str | Path) -> int:
    """Write the tensors of a torch file to a safetensors file, and return their number.

    Nested names and positions in lists are joined by dots. The file holds tensors and plain values, and is read with
    `weights_only=True`, or it is a pickle of modules, as StyleGAN2-ADA and LAFITE save them. Raises `C3Error` for any
    other, or if there is no tensor in it. No code of a file is ever run.
    """
    weights, out = path_of(weights), path_of(out)
    if out.suffix != ".safetensors":
        raise WrongCall(f"the output must end in .safetensors, not {out.name!r}.")
    if not weights.is_file():
        raise WrongCall(f"no file {weights}. Check its name.")
    tensors: dict[str, Tensor] = {}
    for name, tensor in _tensors(_read(weights), ""):
        if name in tensors:
            raise C3Error(f"{weights} holds two tensors that would both be called {name!r}. Save it with other names.")
        tensors[name] = tensor
    if not tensors:
        raise C3Error(f"{weights} holds no tensors.")
    with atomic_write(out) as temporary:
        save_file(tensors, temporary)
    return len(tensors)


def _read(weights: Path) -> Any:
    with warnings.catch_warnings(action="ignore"):  # torch warns of how the file was saved
        try:
            return torch.load(weights, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises errors of many types for another kind of file
            why = lines_of(error)[0].split(". ")[0][:200] if os.path.getsize(weights) else "it is empty"
        try:
            found = read_modules(weights)
            if any(True for _ in _tensors(found, "")):
                return found
        except C3Error:
            raise
        except Exception:  # so does pickle; torch's reason tells more
            pass
    raise CorruptFile(f"{weights} holds no plain weights, or is truncated ({why}). It was not run.")


def _tensors(value: Any, prefix: str, above: frozenset[int] = frozenset()) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of nested mappings and lists. Tensors are copied, as safetensors wants no shared memory.

    `above` has the ids of what `value` lies in. Raises `CorruptFile` if it lies in itself, or in more than `DEEPEST`.
    """
    if isinstance(value, Tensor):
        yield prefix or "tensor", value.detach().clone().contiguous()
    elif isinstance(value, Mapping | list | tuple):
        if id(value) in above or len(above) > DEEPEST:
            wrong = "contains itself" if id(value) in above else f"is nested more than {DEEPEST} deep"
            raise CorruptFile(f"what the file holds {wrong} (at {prefix[:80]}). Save only the tensors, by their names.")
        for key, entry in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _tensors(entry, f"{prefix}.{key}" if prefix else str(key), above | {id(value)})
