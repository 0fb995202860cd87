"""Paired unit embeddings with a known gap and noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def unit_pairs(
    n: int, *, seed: int = 0, gap: float = 0.8, noise: float = 0.05, span: int = 40, dim: int = 64
) -> tuple[Tensor, Tensor]:
    """x and y (n, dim): items and noise lie in the first `span` dimensions, the gap along dimension `span + 2`."""
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.zeros(n, dim), torch.zeros(n, dim)
    items = normalize(torch.randn(n, span, generator=generator), dim=-1)
    y[:, :span] = 0.6 * items
    x[:, :span] = 0.6 * normalize(items + noise * torch.randn(n, span, generator=generator), dim=-1)
    x[:, span + 2], y[:, span + 2] = gap / 2, -gap / 2
    x[:, span + 4] = y[:, span + 4] = (1 - 0.6**2 - gap**2 / 4) ** 0.5
    return x, y
