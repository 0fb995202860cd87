"""Choosing a device and a precision by name."""

from __future__ import annotations

import torch

from c3core.errors import WrongCall, near

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "bf16": torch.bfloat16, "float16": torch.float16}


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
        why = str(error).splitlines()[0]
        raise WrongCall(f"this machine has no device {name!r} ({why}). Use auto or cpu.") from None
    return device


def precision_of(name: str) -> torch.dtype:
    """The torch dtype of a precision's name: float32, bfloat16 (bf16) or float16."""
    if name not in PRECISIONS:
        raise WrongCall(f"no precision is called {name!r}: {near(name, PRECISIONS)}")
    return PRECISIONS[name]


def computes_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16. One without such instructions emulates it, many times slower than float32.

    >>> computes_bfloat16(torch.device("cpu")) in (True, False)
    True
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # an older torch does not tell: as asked for
        return True
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16"))
