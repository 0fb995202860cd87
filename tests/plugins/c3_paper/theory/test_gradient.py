"""Lemma 1: the printed gradient misses, the term that it lacks mends it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from c3_paper.theory.gradient import SHARED, gradients, random_pairs, study


def loss(x: np.ndarray, y: np.ndarray, temperature: float) -> float:
    """The contrastive loss as Section 2.3 writes it."""
    odds = np.exp(x @ y.T / temperature)
    matched = np.diag(odds)
    return float(-(np.log(matched / odds.sum(1)) + np.log(matched / odds.sum(0))).sum() / (2 * len(x)))


def test_the_corrected_gradient_is_that_of_finite_differences():
    x, y = random_pairs(6, 5, seed=0)
    found = gradients(x, y, 0.2)
    numeric = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        step = np.zeros(x.shape)
        step[at] = 1e-6
        numeric[at] = (loss(x.numpy() + step, y.numpy(), 0.2) - loss(x.numpy() - step, y.numpy(), 0.2)) / 2e-6
    np.testing.assert_allclose(found.true, numeric, atol=1e-8)
    np.testing.assert_allclose(found.corrected, numeric, atol=1e-8)
    assert found.miss(found.printed) > 0.1


def test_the_printed_gradient_is_the_lemmas():
    x, y = random_pairs(5, 4, seed=1)
    n, temperature = 5, 0.07
    odds = torch.exp(x @ y.T / temperature)
    expected = torch.zeros_like(x)
    for i in range(n):
        for j in range(n):
            alpha = odds[i, j] / odds[i].sum() + odds[i, j] / odds[:, j].sum()
            expected[i] += alpha * (y[j] - y[i]) / (2 * n * temperature)
    torch.testing.assert_close(gradients(x, y, temperature).printed, expected)


def test_the_mean_gradient_along_the_shared_coordinate_vanishes_but_not_each():
    x, y = random_pairs(100, 16, seed=0)
    assert (x[:, -1] == SHARED).all()
    assert (y[:, -1] == -SHARED).all()
    found = gradients(x, y, 0.07)
    along = found.true[:, -1]
    assert along.mean().abs() < 1e-16
    assert along.abs().mean() > 1e-4
    assert found.sums.mean().item() == pytest.approx(1)


def test_the_study_says_by_how_much_the_lemma_misses():
    found = study(sizes=((8, 8), (50, 16)))
    mean, other, least, greatest, colder, corrected = (row.here for row in found.rows[:6])
    assert 0.1 < least < mean < greatest
    assert colder > other > 0.1
    assert corrected < 1e-14
    assert [row.paper for row in found.rows[:5]] == [0] * 5
    assert [len(miss["values"]) for miss in found.curves["miss"]] == [len(found.curves["temperature"])] * 2
