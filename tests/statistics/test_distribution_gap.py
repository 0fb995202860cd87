"""The Fréchet distance of two sides and of their halves, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from c3core.statistics.distribution_gap import frechet, frechet_of_halves


def by_scipy(one: Tensor, other: Tensor) -> float:
    """Of rows (n, d), without their means."""
    a, b = (np.cov(rows.double().numpy().T, bias=True) for rows in (one, other))
    return float(np.trace(a + b - 2 * sqrtm(a @ b).real))


def test_frechet_against_commuting_covariances() -> None:
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).double()).Q
    a, b = torch.tensor([4.0, 1.0, 0.25, 0.0, 2.0]).double(), torch.tensor([1.0, 1.0, 4.0, 9.0, 0.0]).double()
    expected = (a.sqrt() - b.sqrt()).square().sum().item()
    assert frechet((turn * a) @ turn.T, (turn * b) @ turn.T) == pytest.approx(expected)
    assert frechet(torch.diag(a), torch.diag(a)) == pytest.approx(0.0, abs=1e-9)


def test_frechet_is_symmetric_and_needs_no_common_axes() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = (torch.cov(torch.randn(4, 50, generator=generator).double()) for _ in range(2))
    assert frechet(one, other) == pytest.approx(frechet(other, one))
    # tr (AB)½ is the sum of the roots of the eigenvalues of AB, which is not symmetric
    roots = torch.linalg.eigvals(one @ other).real.sqrt().sum().item()
    assert frechet(one, other) == pytest.approx((one.trace() + other.trace()).item() - 2 * roots)


def test_halves_keep_the_pairs_of_an_item_together() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 60, 4, generator=generator)
    items = torch.arange(60) % 2  # of two items each is a half
    found = frechet_of_halves(x, y, items, seed=0)
    one, other = items == 0, items == 1
    assert found is not None
    assert found["x"] == pytest.approx(by_scipy(x[one], x[other]), rel=1e-6)
    assert found["y"] == pytest.approx(by_scipy(y[one], y[other]), rel=1e-6)
    across = (by_scipy(x[one], y[other]) + by_scipy(x[other], y[one])) / 2
    assert found["x_y"] == pytest.approx(across, rel=1e-6)
    assert frechet_of_halves(x, y, torch.zeros(60, dtype=torch.long), seed=0) is None


def test_halves_of_equal_distributions_show_what_few_rows_make() -> None:
    generator = torch.Generator().manual_seed(0)
    gaps = []
    for n in (100, 10_000):
        x, y = torch.randn(2, n, 8, generator=generator)
        found = frechet_of_halves(x, y, torch.arange(n), seed=0)
        assert found is not None
        assert found["x_y"] == pytest.approx((found["x"] + found["y"]) / 2, rel=0.5)
        gaps.append(found["x_y"])
    assert gaps[1] < gaps[0] / 50
