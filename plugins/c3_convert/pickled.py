"""Read the tensors of pickled torch modules. Nothing that the file names is imported or run.

StyleGAN2-ADA and its relatives, LAFITE among them, save networks with `pickle.dump`. Such a file names classes to
import, and holds the source code of others. Here each of those names stands for an empty dict, except for the few that
make a tensor.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


def read_modules(path: Path) -> Any:
    """Return what a pickle holds: of a module a dict of its parameters, buffers and submodules by name.

    Raises an error of some type, as pickle does, for a file of another kind.
    """
    with path.open("rb") as file:
        return _Reader(file).load()


class _Object(dict[str, Any]):
    """Stands for any class or function that a pickle names. A call of it gives an empty dict."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """Take a module's tensors and submodules, and of anything else nothing."""
        if isinstance(state, dict):
            for part in ("_parameters", "_buffers", "_modules"):
                self.update(state.get(part) or {})


class _Persistent:
    """Stands for the function that makes an object of a class whose source code is in the file."""

    def __new__(cls, saved: dict[str, Any]) -> _Object:  # type: ignore[misc]
        made = _Object()
        made.__setstate__(saved["state"])
        return made


class _Storage:
    """Stands for the function that reads a tensor's memory: bytes in torch's own format."""

    def __new__(cls, content: bytes) -> Any:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


class _Tensor:
    """Stands for the function that makes a tensor of a storage."""

    def __new__(cls, storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:  # type: ignore[misc]
        flat = torch.empty(0, dtype=storage.dtype).set_(storage.untyped())
        return flat.as_strided(size, stride, offset)  # which raises an error beyond the memory


class _Parameter:
    """Stands for the function that makes a parameter of a tensor."""

    def __new__(cls, tensor: Tensor, *_: Any) -> Tensor:  # type: ignore[misc]
        return tensor


_KNOWN: dict[str, type] = {
    "_reconstruct_persistent_obj": _Persistent,
    "_load_from_bytes": _Storage,
    "_rebuild_tensor_v2": _Tensor,
    "_rebuild_parameter": _Parameter,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        """Return what stands for a name, always a class from here: a pickle can call only what this returns."""
        return _KNOWN.get(name, _Object)
