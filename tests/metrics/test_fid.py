"""FID, KID and retrieval of embeddings equal closed forms."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch.nn.functional import normalize

from c3core.errors import WrongCall
from c3core.metrics.fid import embedding_metrics, fid_and_kid

torch_fidelity = pytest.importorskip("torch_fidelity", reason="needs the extra metrics")


def rows(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)) + shift


def test_fid_is_the_frechet_distance_of_two_normal_distributions() -> None:
    outputs, references = rows(300, 0, 0.5), rows(400, 1) * 2
    fid = embedding_metrics(outputs, references, outputs)[0]["fid"]
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
    scores, _ = embedding_metrics(outputs, references, outputs)
    assert scores["kid_mean"] == pytest.approx(sum(within) - 2 * kernel(one, other).mean(), rel=1e-6)
    assert scores["kid_std"] == pytest.approx(0, abs=1e-9)


def test_retrieval_is_among_groups_of_100_and_ignores_the_gap() -> None:
    outputs = normalize(rows(250, 0), dim=-1)
    inputs = outputs + torch.tensor([9.0, 0, 0, 0, 0, 0])  # a gap
    assert embedding_metrics(outputs, outputs, inputs)[0]["r1"] == 100.0
    swapped = outputs.clone()
    swapped[:50] = outputs[50:100]  # half of the first of two groups belongs to other inputs
    assert embedding_metrics(swapped, outputs, inputs)[0]["r1"] == pytest.approx(75.0, abs=5)


def test_kid_is_drawn_by_the_seed_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    outputs, references = rows(150, 0, 0.5), rows(130, 1)
    scores = [fid_and_kid(outputs, references, seed=seed)[0] for seed in (3, 4)]
    for seed, found in zip((3, 4), scores, strict=True):
        expected = torch_fidelity.metric_kid.kid_features_to_metric(
            outputs.double(), references.double(), kid_subsets=100, kid_subset_size=100, rng_seed=seed, verbose=False
        )
        assert found["kid_mean"] == expected["kernel_inception_distance_mean"]
        assert found["kid_std"] == expected["kernel_inception_distance_std"] > 0
    assert scores[0]["kid_mean"] != scores[1]["kid_mean"]
    of_the_seed, _ = embedding_metrics(outputs, references, outputs, seed=4)
    assert of_the_seed["kid_mean"] == scores[1]["kid_mean"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("n", "used"), [(99, 99), (100, 100), (199, 100), (200, 200)])
def test_a_smaller_last_group_is_left_out_unless_it_is_the_only_one(n: int, used: int) -> None:
    outputs = normalize(rows(n, 0), dim=-1)
    inputs = outputs.clone()
    inputs[used:] = outputs[used:].flip(0)  # all wrong
    inputs[used - 2 : used] = outputs[used - 2 : used].flip(0)  # two wrong ones in the last group that counts
    scores, _ = embedding_metrics(outputs, outputs, inputs)
    assert scores["r1"] == pytest.approx(100 * (used - 2) / used)


def test_what_few_items_cannot_give_is_left_out_with_the_reason() -> None:
    kid = "KID needs at least 100 outputs and 100 true items."
    fid = "FID needs at least two outputs and two true items."
    scores, left_out = embedding_metrics(rows(5, 0), rows(5, 1), rows(5, 2))
    assert (list(scores), left_out) == (["r1", "fid"], {"kid": kid})
    for n, m in ((1, 200), (200, 1)):
        assert fid_and_kid(rows(n, 0), rows(m, 1)) == ({}, {"fid": fid, "kid": kid})
    for n, m in ((99, 100), (100, 99)):
        scores, left_out = fid_and_kid(rows(n, 0), rows(m, 1))
        assert (list(scores), left_out) == (["fid"], {"kid": kid})
    assert set(fid_and_kid(rows(2, 0), rows(2, 1))[0]) == {"fid"}
    assert fid_and_kid(rows(100, 0), rows(100, 1))[1] == {}


def test_without_the_package_both_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity.metric_fid", None)
    scores, left_out = embedding_metrics(rows(5, 0), rows(5, 1), rows(5, 2))
    why = 'torch-fidelity is not installed. Run: pip install "c3core[metrics]"'
    assert left_out == {"fid": why, "kid": why}
    assert list(scores) == ["r1"]


def test_the_fid_of_equal_items_is_not_negative() -> None:
    for seed in range(5):
        assert 0 <= fid_and_kid(rows(20, seed), rows(20, seed))[0]["fid"] < 1e-6


@pytest.mark.parametrize(
    ("n", "m", "of_m", "inputs"), [(5, 5, 6, 4), (5, 5, 7, 5), (0, 5, 6, 0)], ids=["inputs", "dimensions", "none"]
)
def test_shapes_that_do_not_fit(n: int, m: int, of_m: int, inputs: int) -> None:
    with pytest.raises(WrongCall) as refused:
        embedding_metrics(rows(n, 0), torch.ones(m, of_m), rows(inputs, 2))
    assert str(refused.value).endswith(f"got ({n}, 6), ({m}, {of_m}), ({inputs}, 6).")
