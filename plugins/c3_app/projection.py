"""Two axes through a space on which the gap between two modalities can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

ALONG, ACROSS = "along the gap between the means", "main direction across it"


@dataclass(frozen=True)
class Axes:
    """Orthonormal directions (2, dim) with their names.

    >>> axes = Axes.of(torch.tensor([[1.0, 1, 0], [1, -1, 0]]), torch.tensor([[-1.0, 2, 0], [-1, -2, 0]]))
    >>> axes(torch.tensor([[3.0, 0, 7]])).tolist(), axes.names[0]
    ([[3.0, 0.0]], 'along the gap between the means')
    """

    directions: Tensor
    names: tuple[str, str]

    @classmethod
    def of(cls, first: Tensor, second: Tensor | None = None) -> Self:
        """Return the axes of two clouds (n, dim) and (m, dim), or of one.

        Of two: from the mean of the second to that of the first, and the first principal direction of what is left of
        both. Of one: its first two principal directions.
        """
        centered = first - first.mean(0)
        if second is None:
            return cls(_principal(centered, 2), ("first principal direction", "second principal direction"))
        gap = normalize(first.mean(0) - second.mean(0), dim=0)
        both = torch.cat([centered, second - second.mean(0)])
        return cls(torch.cat([gap[None], _principal(both - torch.outer(both @ gap, gap), 1)]), (ALONG, ACROSS))

    def __call__(self, rows: Tensor) -> Tensor:
        """The coordinates (n, 2) of rows (n, dim)."""
        return rows @ self.directions.T


def _principal(centered: Tensor, count: int) -> Tensor:
    """The first principal directions (count, dim) of rows (n, dim)."""
    directions = torch.linalg.svd(centered, full_matrices=len(centered) < count)[2][:count]
    return torch.where(directions.sum(1, keepdim=True) < 0, -directions, directions)  # the same on every machine
