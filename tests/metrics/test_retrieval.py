"""Recall equals that of all cosines at once in float64. Ties count as errors, and bad rows are refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from c3core.errors import C3Error, WrongCall
from c3core.metrics import retrieval
from c3core.metrics.retrieval import TIE, retrieval_metrics


def plain(x: Tensor, y: Tensor, pairs: Tensor) -> dict[str, dict[str, float]]:
    """Compute all cosines at once, in float64."""
    x, y = (rows.double() / rows.double().norm(dim=1, keepdim=True).clamp_min(1e-12) for rows in (x, y))
    cosines = x @ y.T
    right = pairs[None, :] == torch.arange(len(x))[:, None]

    def recall(cosines: Tensor, right: Tensor) -> dict[str, float]:
        ranks = []
        for row, mine in zip(cosines, right, strict=True):
            best = row[mine].max()
            ranks.append(1 + int((row[~mine] >= best - TIE).sum()))
        return {f"r{k}": sum(rank <= k for rank in ranks) / len(ranks) for k in (1, 5, 10)}

    return {"x_to_y": recall(cosines, right), "y_to_x": recall(cosines.T, right.T)}


def sample(n: int, each: int, dim: int, noise: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim, generator=generator)
    pairs = torch.cat([torch.arange(n), torch.randint(n, (n * (each - 1),), generator=generator)])
    pairs = pairs[torch.randperm(len(pairs), generator=generator)]
    return x, x[pairs] * 3 + noise * torch.randn(len(pairs), dim, generator=generator), pairs


@pytest.mark.parametrize("block", [2**24, 700, 1])
@pytest.mark.parametrize(("n", "each"), [(100, 1), (60, 5), (1, 1)])
def test_recall_equals_that_of_all_cosines(monkeypatch: pytest.MonkeyPatch, block: int, n: int, each: int) -> None:
    monkeypatch.setattr(retrieval, "BLOCK", block)
    x, y, pairs = sample(n, each, dim=16, noise=4.0, seed=0)
    recall = retrieval_metrics(x, y, pairs=pairs)
    assert recall == plain(x, y, pairs)
    if n > 1:
        assert 0.1 < recall["x_to_y"]["r1"] < recall["x_to_y"]["r10"]


@given(
    n=st.integers(1, 12),
    each=st.integers(1, 3),
    seed=st.integers(0, 10_000),
    block=st.integers(1, 60),
    levels=st.integers(1, 3),
)
@settings(max_examples=80, deadline=None)
def test_recall_equals_that_of_all_cosines_if_many_are_equal(
    n: int, each: int, seed: int, block: int, levels: int
) -> None:
    x, y, pairs = sample(n, each, dim=3, noise=1.0, seed=seed)
    x, y = (x * levels).round(), (y / 3 * levels).round()  # few different rows, some of them zero
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "BLOCK", block)
        assert retrieval_metrics(x, y, pairs=pairs) == plain(x, y, pairs)


def test_without_pairs_row_i_belongs_to_row_i() -> None:
    x, y, _ = sample(50, 1, dim=8, noise=0.0, seed=1)
    assert retrieval_metrics(x, 7 * x) == {
        "x_to_y": {"r1": 1.0, "r5": 1.0, "r10": 1.0},
        "y_to_x": {"r1": 1.0, "r5": 1.0, "r10": 1.0},
    }
    assert retrieval_metrics(x, y) == plain(x, y, torch.arange(50))


def test_the_recall_of_equal_embeddings_is_zero() -> None:
    same = torch.randn(1, 512, generator=torch.Generator().manual_seed(0)).expand(40, 512)
    nothing = {"r1": 0.0, "r5": 0.0, "r10": 0.0}
    assert retrieval_metrics(same, same) == {"x_to_y": nothing, "y_to_x": nothing}


def test_other_sentences_of_the_same_picture_are_ignored() -> None:
    x = torch.eye(2)
    y = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.9]])
    recall = retrieval_metrics(x, y, pairs=torch.tensor([0, 0, 1, 0]))
    assert recall["x_to_y"]["r1"] == 1.0
    assert recall["y_to_x"]["r1"] == 0.75  # the last sentence is nearer to the other picture


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_any_float_type_with_or_without_gradient(dtype: torch.dtype) -> None:
    x = torch.eye(12, dtype=dtype, requires_grad=True)
    assert retrieval_metrics(x, x)["x_to_y"]["r1"] == 1.0


@pytest.mark.parametrize(
    ("x", "y", "pairs", "why"),
    [
        (torch.ones(3, 4), torch.ones(3, 5), None, r"got \(3, 4\) and \(3, 5\)"),
        (torch.ones(3), torch.ones(3), None, r"takes embeddings \(n, dim\)"),
        (torch.ones(0, 4), torch.ones(0, 4), None, r"got \(0, 4\)"),
        (torch.ones(3, 4), torch.ones(2, 4), None, "tell in `pairs`"),
        (torch.ones(3, 4), torch.ones(3, 4), torch.tensor([0, 1]), r"3 whole .*got torch.int64 \(2,\)"),
        (torch.ones(3, 4), torch.ones(3, 4), torch.tensor([0.0, 1.0, 2.0]), r"got torch.float32 \(3,\)"),
        (torch.ones(3, 4), torch.ones(3, 4), torch.tensor([0, 1, 2]) * 1j, r"got torch.complex64"),
        (torch.ones(3, 4), torch.ones(3, 4), torch.tensor([True] * 3), r"got torch.bool"),
        (torch.ones(3, 4), torch.ones(3, 4), torch.tensor([0, 1, 3]), "0 to 2; got 0 to 3"),
        (torch.ones(3, 4), torch.ones(3, 4), torch.tensor([0, 1, -1]), "got -1 to 1"),
        (torch.ones(3, 4), torch.ones(3, 4), torch.tensor([0, 2, 2]), "1 rows of x have no y, the first is row 1"),
    ],
)
def test_wrong_input(x: Any, y: Any, pairs: Any, why: str) -> None:
    with pytest.raises(WrongCall, match=why):
        retrieval_metrics(x, y, pairs=pairs)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_values_that_are_not_finite(wrong: float) -> None:
    for x, y, name in ((wrong, 1.0, "x"), (1.0, wrong, "y")):
        with pytest.raises(C3Error, match=f"^{name} holds NaN or infinite"):
            retrieval_metrics(torch.tensor([[x]]), torch.tensor([[y]]))
