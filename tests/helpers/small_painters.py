"""A diffusion decoder of a few thousand weights, and conditions for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from c3_diffusion.decoder import DiffusionDecoder

SMALL: dict[str, Any] = {"size": 8, "widths": (8, 16), "patch": 1, "layout": 4, "hidden": 32, "device": "cpu"}


def made(seed: int = 0, **options: Any) -> DiffusionDecoder:
    torch.manual_seed(seed)
    decoder = DiffusionDecoder(4, **{**SMALL, **options})
    decoder.prepare([])
    return decoder.eval()


def row_generators(count: int, generator: torch.Generator) -> list[torch.Generator]:
    """The generator of each row, as `Decoder.generate` seeds them."""
    return [torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator))) for _ in range(count)]


def conditions(n: int) -> Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(1))
