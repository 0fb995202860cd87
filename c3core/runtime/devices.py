"""Choosing a device and a precision by name; the processes that work together."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator

from c3core.errors import C3Error, WrongCall, lines_of, near

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
INSTRUCTIONS = {  # of processors, as torch names them
    torch.bfloat16: ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16"),
    torch.float16: ("amx_fp16", "avx512_fp16", "fp16_arith"),
}


def device_of(name: str | torch.device) -> torch.device:
    """The torch device of a name; "auto" takes an accelerator when there is one.

    A `C3Error` says that no device has this name, or that this machine has none.

    >>> device_of("cpu")
    device(type='cpu')
    """
    if isinstance(name, torch.device):
        return name
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator if accelerator is not None else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise WrongCall(f"no device is called {name!r}. Use auto, cpu, cuda or mps.") from None
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # each backend says in its own way that it is not there
        why = lines_of(error)[0]
        raise WrongCall(f"this machine has no device {name!r} ({why}). Use auto or cpu.") from None
    return device


def check_precision(precision: str) -> None:
    """Raise `WrongCall` for the name of no precision."""
    if precision not in (known := ["auto", *PRECISIONS]):
        raise WrongCall(f"no precision is called {precision!r}: {near(str(precision), known)}")


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The torch dtype to compute in on a device, if `precision` is asked for: auto, float32, bfloat16 or float16.

    "auto" is bfloat16 on CUDA and float32 elsewhere. A device without instructions for a half precision would emulate
    it, many times slower than float32: there the dtype is float32. (Older versions of torch do not tell what a
    processor has; then the dtype is the one that was asked for.)

    >>> compute_dtype("auto", torch.device("cpu"))
    torch.float32
    """
    check_precision(precision)
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    dtype = PRECISIONS[precision]
    return dtype if _computes(device, dtype) else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Compute in `dtype` inside, by torch's autocast. float32 turns an outer autocast off."""
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)


def _computes(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a device has instructions for a dtype."""
    if device.type == "cuda" and dtype is torch.bfloat16:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or dtype not in INSTRUCTIONS or not hasattr(torch.cpu, "get_capabilities"):
        return True
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in INSTRUCTIONS[dtype])


def processes() -> Accelerator:
    """The processes that work together, each of them on its device.

    A `C3Error` where `torchrun` started several that do not know of each other: each would do all of the work, in one
    folder.
    """
    accelerator = Accelerator()
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started > accelerator.num_processes:
        raise C3Error(f"{started} processes were started, each by itself. Try ACCELERATE_USE_CPU=true.")
    return accelerator
