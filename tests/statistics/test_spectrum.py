"""The effective dimension, the warning of too few rows, and the distance of two covariances."""

from __future__ import annotations

import warnings

import pytest
import torch

from c3core.statistics.geometry import measure_geometry
from c3core.statistics.spectrum import effective_dimension, frechet, singular_values


def test_effective_dimension_and_singular_values() -> None:
    assert effective_dimension(torch.tensor([99.0, 1.0])) == 1  # ≥ γ, not > γ
    assert effective_dimension(torch.tensor([98.9, 1.1])) == 2
    assert effective_dimension(torch.ones(100)) == 99
    assert effective_dimension(torch.ones(100), gamma=0.5) == 50
    assert effective_dimension(torch.ones(7), gamma=1.0) == 7
    assert effective_dimension(torch.zeros(7)) == 0
    matrix = torch.randn(6, 6, generator=torch.Generator().manual_seed(0)).double()
    covariance = matrix @ matrix.T
    torch.testing.assert_close(singular_values(covariance), torch.linalg.svdvals(covariance))


def test_few_rows_cap_the_effective_dimension_and_a_warning_says_how_many_are_enough() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.nn.functional.normalize(torch.randn(200, 512, generator=generator), dim=-1) for _ in range(2))
    with pytest.warns(
        UserWarning,
        match=r"x: 18\d from 200 different rows.*noise: 1\d\d from 200 different rows.*5120 are enough in 512",
    ):
        found = measure_geometry(x, y)
    assert found.effective_dimension["x"] < 200  # 507 is true


def test_as_many_rows_as_the_warning_names_give_the_effective_dimension() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.arange(1, 65) ** -0.5
    rows = torch.randn(2, 640, 64, generator=generator) * scale
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure_geometry(*torch.nn.functional.normalize(rows, dim=-1))
    true = effective_dimension(scale.square())
    assert found.effective_dimension["x"] == pytest.approx(true, rel=0.05)
    assert found.effective_dimension["noise"] == pytest.approx(true, rel=0.05)


@pytest.mark.filterwarnings("ignore:items repeat")
def test_only_different_rows_count() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.nn.functional.normalize(torch.randn(2, 640, 64, generator=generator), dim=-1)
    with pytest.warns(UserWarning, match=r"effective dimensions too low: x: \d+ from 320 different rows\. Give"):
        measure_geometry(x[:320].repeat(2, 1), y)


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
