"""Write, read and hash weights as safetensors, never as pickles."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from c3core.errors import C3Error, CorruptFile, library_errors
from c3core.io.files import atomic_write


def write_tensors(path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> None:
    """Write tensors by name, floating-point ones in `dtype` if given.

    Raises `C3Error` for NaN, infinity, and a number that `dtype` cannot hold.
    """
    cast: dict[str, Tensor] = {}
    for name, value in tensors.items():
        whole = value.detach().cpu().contiguous()
        if not torch.isfinite(whole).all():
            raise C3Error(f"{name} holds NaN or infinite numbers: its training went wrong. Lower learning_rate.")
        cast[name] = whole.to(dtype) if dtype is not None and whole.is_floating_point() else whole
        if not torch.isfinite(cast[name]).all():
            raise C3Error(f"{name} has numbers that {dtype} cannot hold. Save with weights=float32.")
    with atomic_write(path) as temporary:
        save_file(cast, temporary)


def read_tensors(path: Path, module: nn.Module, expected: Mapping[str, Tensor] | None = None) -> None:
    """Copy the tensors of a file into a module.

    Raises `CorruptFile` if their names and shapes are not those of `expected`, by default the module's own.
    """
    with library_errors(f"{path} is missing or truncated", "Save the decoder again.", CorruptFile):
        tensors = load_file(path)
    wanted = module.state_dict() if expected is None else expected
    for name in sorted(wanted.keys() | tensors.keys()):
        asked, found = (tuple(part[name].shape) if name in part else None for part in (wanted, tensors))
        if asked != found:
            what = f"has shape {found}, expected {asked}"
            if asked is None or found is None:
                what = "is missing" if found is None else "is not expected"
            other = "Weights of another resolution or size cannot be used."
            raise CorruptFile(f"{path} does not fit its decoder.json: {name} {what}. {other}")
        if found is not None and not torch.isfinite(tensors[name]).all():
            raise CorruptFile(f"{path}: {name} holds NaN or infinite numbers. Train again, or copy it again.")
    module.load_state_dict(tensors, strict=False)


def tensor_hash(weights: Mapping[str, Tensor]) -> str:
    """The SHA-256 of tensors and their names: the same weights have the same hash, whatever file they came from."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
