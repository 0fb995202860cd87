"""Rows of other norms are normalized, those of unit norm stay to the last bit, and bad ones are named."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from c3core.errors import C3Error
from c3core.statistics.unit_norm import is_unit, normalized, unit_rows

NAN, INF = math.nan, math.inf


def test_only_rows_of_another_norm_are_normalized() -> None:
    rows = torch.tensor([[0.6, 0.8], [3.0, 4.0], [0.6005, 0.8005], [0.0, 1.002], [0.0, 0.998], [0.0, 0.0], [NAN, 1.0]])
    unit, norms = normalized(rows)
    assert norms[:6].tolist() == pytest.approx([1, 5, (0.6005**2 + 0.8005**2) ** 0.5, 1.002, 0.998, 0])
    assert torch.equal(unit[[0, 2]], rows[[0, 2]])  # within the tolerance: the third is 0.0007 too long
    torch.testing.assert_close(unit[1], torch.tensor([0.6, 0.8]))
    assert unit[3:5].tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert unit[5].tolist() == [0.0, 0.0]
    assert unit[6].isnan().any()
    assert norms[6].isnan()


def test_a_norm_is_one_within_a_thousandth() -> None:
    norms = torch.tensor([1.0, 1.0009, 0.9991, 1.0011, 0.9989, 0.0, NAN, INF])
    assert is_unit(norms).tolist() == [True, True, True, False, False, False, False, False]


def test_one_warning_tells_that_rows_were_normalized() -> None:
    rows = torch.tensor([[0.0, 2.0], [1.0, 0.0], [3.0, 0.0]])
    with pytest.warns(UserWarning, match=r"^x\.npy has rows that are not of unit norm") as warned:
        assert unit_rows(rows, of="x.npy").tolist() == [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]
    assert len(warned) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unit_rows(rows[1:2], of="x.npy") is not None
        assert unit_rows(torch.zeros(0, 2), of="x.npy").shape == (0, 2)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([0.0, 0.0], "row 8 of x is zero, which has no direction."),
        ([NAN, 0.0], "row 8 of x holds NaN or infinite values."),
        ([0.0, -INF], "row 8 of x holds NaN or infinite values."),
    ],
)
def test_the_first_row_without_a_direction_is_named(bad: list[float], says: str) -> None:
    with pytest.raises(C3Error) as refused:
        unit_rows(torch.tensor([[1.0, 0.0], bad, [0.0, 0.0]]), of="x", start=7)
    assert str(refused.value).startswith(says)
    with pytest.raises(C3Error, match="^row 0 of x"):
        unit_rows(torch.tensor([bad]), of="x")
