"""Compute the distance between two distributions of embeddings, and how much of it the number of rows makes."""

from __future__ import annotations

import torch
from torch import Tensor

from c3core.statistics.moments import Moments


def frechet(one: Tensor, other: Tensor) -> float:
    """tr(A + B − 2 (A½ B A½)½): the squared Fréchet distance of two gaussians of equal means and covariances (d, d)."""
    values, vectors = torch.linalg.eigh(one.double())
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ other.double() @ root).clamp_min(0).sqrt().sum()
    return max(float(one.trace() + other.trace() - 2 * cross), 0.0)


def frechet_of_halves(x: Tensor, y: Tensor, items: Tensor, seed: int) -> dict[str, float] | None:
    """`frechet` between two random halves of the pairs x and y (n, d): of x, of y, and of x against y.

    The items (n,) are cut into halves, so that all pairs of an item are in one half. "x" and "y" would be 0 if the
    rows were endless. "x_y" is the mean of x of one half against y of the other, and the reverse. None if there is
    only one item.
    """
    names = torch.unique(items)
    if len(names) < 2:
        return None
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    first = torch.isin(items, names[order[: len(names) // 2]])
    (x1, x2), (y1, y2) = (
        [Moments(side.shape[1], {"covariance"}).update(side[half]).covariance for half in (first, ~first)]
        for side in (x, y)
    )
    return {"x": frechet(x1, x2), "y": frechet(y1, y2), "x_y": (frechet(x1, y2) + frechet(x2, y1)) / 2}
