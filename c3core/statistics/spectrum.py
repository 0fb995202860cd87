"""Compute the singular values of a covariance, the effective dimension, and the distance of two covariances."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from c3core.errors import warn

ROWS_PER_DIMENSION = 10  # with fewer rows for each effective dimension, the figure is often more than 5 % too low


def singular_values(covariance: Tensor) -> Tensor:
    """(d,) the singular values of a covariance (d, d), in decreasing order."""
    values: Tensor = torch.linalg.eigvalsh(covariance.double())
    return values.clamp_min(0).flip(0)


def effective_dimension(values: Tensor, gamma: float = 0.99) -> int:
    """How many of the singular values, in decreasing order, make up `gamma` of their sum (Definition 1 of the paper).

    >>> effective_dimension(torch.tensor([98.0, 1.5, 0.5, 0.0]))
    2
    """
    total = values.double().cumsum(0)
    return int((total < gamma * total[-1] * (1 - 1e-12)).sum()) + 1 if total[-1] > 0 else 0


def frechet(one: Tensor, other: Tensor) -> float:
    """tr(A + B − 2 (A½ B A½)½): the squared Fréchet distance of two gaussians of equal means and covariances (d, d)."""
    values, vectors = torch.linalg.eigh(one.double())
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ other.double() @ root).clamp_min(0).sqrt().sum()
    return max(float(one.trace() + other.trace() - 2 * cross), 0.0)


def warn_of_few_rows(effective: Mapping[str, int], rows: Mapping[str, int], dim: int) -> None:
    """Warn of each effective dimension that its number of different rows keeps too low.

    A covariance of n rows has n − 1 singular values that are not zero: 200 rows in 512 dimensions show at most 199.
    """
    few = [name for name, value in effective.items() if value * ROWS_PER_DIMENSION > rows[name]]
    if few:
        shown = ", ".join(f"{name}: {effective[name]} from {rows[name]} different rows" for name in few)
        warn(
            f"too few rows make these effective dimensions too low: {shown}. Give {ROWS_PER_DIMENSION} different rows"
            f" for each effective dimension; {ROWS_PER_DIMENSION * dim} are enough in {dim} dimensions.",
        )
