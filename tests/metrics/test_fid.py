"""FID, KID and retrieval of embeddings against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch.nn.functional import normalize

from c3core.errors import C3Error
from c3core.metrics.fid import embedded_metrics

pytest.importorskip("torch_fidelity", reason="needs the extra metrics")


def rows(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)) + shift


def test_fid_is_the_frechet_distance_of_two_normal_distributions() -> None:
    made, truth = rows(300, 0, 0.5), rows(400, 1) * 2
    found = embedded_metrics(made, truth, made, features="rows").scores["fid"]
    one, other = made.double().numpy(), truth.double().numpy()
    covariances = np.cov(one.T), np.cov(other.T)
    by_hand = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(
        covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real
    )
    assert found == pytest.approx(by_hand, rel=1e-6)


def test_kid_is_the_unbiased_distance_of_polynomial_kernels() -> None:
    made, truth = rows(100, 0, 0.5), rows(100, 1)  # one subset of 100 is all rows, in any order

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    one, other = made.double().numpy(), truth.double().numpy()
    within = [(kernel(x, x).sum() - np.trace(kernel(x, x))) / (100 * 99) for x in (one, other)]
    found = embedded_metrics(made, truth, made, features="rows").scores
    assert found["kid_mean"] == pytest.approx(sum(within) - 2 * kernel(one, other).mean(), rel=1e-6)
    assert found["kid_std"] == pytest.approx(0, abs=1e-9)


def test_retrieval_is_among_groups_of_a_hundred_and_blind_to_the_gap() -> None:
    made = normalize(rows(250, 0), dim=-1)
    asked = made + torch.tensor([9.0, 0, 0, 0, 0, 0])  # a gap
    assert embedded_metrics(made, made, asked, features="rows").scores["r1"] == 100.0
    swapped = made.clone()
    swapped[:50] = made[50:100]  # half of the first of two groups is another's
    assert embedded_metrics(swapped, made, asked, features="rows").scores["r1"] == pytest.approx(75.0, abs=5)


def test_what_too_few_items_leave_out_is_said() -> None:
    scores = embedded_metrics(rows(5, 0), rows(5, 1), rows(5, 2), features="rows")
    assert set(scores.left_out) == {"kid"}
    assert "fid" in scores.scores
    with pytest.raises(C3Error, match="each output needs its input"):
        embedded_metrics(rows(5, 0), rows(5, 1), rows(4, 2), features="rows")
