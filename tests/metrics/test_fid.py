"""FID, KID and retrieval of embeddings equal closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch.nn.functional import normalize

from c3core.errors import WrongCall
from c3core.metrics.fid import embedding_metrics

pytest.importorskip("torch_fidelity", reason="needs the extra metrics")


def rows(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)) + shift


def test_fid_is_the_frechet_distance_of_two_normal_distributions() -> None:
    outputs, references = rows(300, 0, 0.5), rows(400, 1) * 2
    fid = embedding_metrics(outputs, references, outputs, features="rows").scores["fid"]
    one, other = outputs.double().numpy(), references.double().numpy()
    covariances = np.cov(one.T), np.cov(other.T)
    by_hand = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(
        covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real
    )
    assert fid == pytest.approx(by_hand, rel=1e-6)


def test_kid_is_the_unbiased_distance_of_polynomial_kernels() -> None:
    outputs, references = rows(100, 0, 0.5), rows(100, 1)  # a subset of 100 holds all rows

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    one, other = outputs.double().numpy(), references.double().numpy()
    within = [(kernel(x, x).sum() - np.trace(kernel(x, x))) / (100 * 99) for x in (one, other)]
    scores = embedding_metrics(outputs, references, outputs, features="rows").scores
    assert scores["kid_mean"] == pytest.approx(sum(within) - 2 * kernel(one, other).mean(), rel=1e-6)
    assert scores["kid_std"] == pytest.approx(0, abs=1e-9)


def test_retrieval_is_among_groups_of_100_and_ignores_the_gap() -> None:
    outputs = normalize(rows(250, 0), dim=-1)
    inputs = outputs + torch.tensor([9.0, 0, 0, 0, 0, 0])  # a gap
    assert embedding_metrics(outputs, outputs, inputs, features="rows").scores["r1"] == 100.0
    swapped = outputs.clone()
    swapped[:50] = outputs[50:100]  # half of the first of two groups belongs to other inputs
    assert embedding_metrics(swapped, outputs, inputs, features="rows").scores["r1"] == pytest.approx(75.0, abs=5)


def test_with_few_items_kid_is_left_out() -> None:
    result = embedding_metrics(rows(5, 0), rows(5, 1), rows(5, 2), features="rows")
    assert list(result.to_dict()) == ["r1", "fid", "n", "group", "features", "left_out"]
    assert "100 outputs" in result.to_dict()["left_out"]["kid"]


def test_each_output_needs_its_input() -> None:
    with pytest.raises(WrongCall, match=r"got \(5, 6\), \(5, 6\), \(4, 6\)"):
        embedding_metrics(rows(5, 0), rows(5, 1), rows(4, 2), features="rows")
