"""Lemma 2: at the margin that it names the loss is δ, neither more nor less."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from c3_paper.theory.margin import DELTA, TEXTS, crowd, loss, required_margin, stable_share, study

SIMILARITIES = st.lists(st.floats(-1, 1), min_size=1, max_size=20)


@given(SIMILARITIES, st.floats(0.01, 1), st.floats(0.001, 2))
def test_at_the_margin_the_loss_is_delta(negatives, temperature, delta):
    similarities = np.array(negatives)
    margin = required_margin(crowd(torch.from_numpy(similarities), temperature), temperature, delta)
    matched = similarities.max() + margin
    found = np.log1p(np.exp((similarities - matched) / temperature).sum())
    assert found == pytest.approx(delta, rel=1e-9)
    ours = loss(torch.from_numpy(np.array([matched])), torch.from_numpy(similarities), temperature)
    assert ours.item() == pytest.approx(delta, rel=1e-6, abs=1e-9)


@given(SIMILARITIES, st.floats(0.01, 0.5), st.floats(1.01, 2))
def test_the_margin_grows_with_the_temperature(negatives, temperature, factor):
    low, high = (required_margin(crowd(torch.tensor(negatives), t), t) for t in (temperature, factor * temperature))
    assert low < high
    assert 1 <= crowd(torch.tensor(negatives), temperature) <= len(negatives)


def test_the_circle_is_stable_around_the_matched_text():
    angles, stable = stable_share(0.1)
    matched = np.radians(TEXTS[0])
    assert stable[np.abs(angles - matched).argmin()]
    assert not stable[np.abs(angles + matched).argmin()]  # opposite
    shares = [stable_share(temperature)[1].mean() for temperature in (0.01, 0.05, 0.1, 0.3)]
    assert shares == sorted(shares, reverse=True)
    hardest = np.radians(TEXTS[1])
    assert (np.cos(angles - matched) >= np.cos(angles - hardest))[stable].all()


def test_the_study_gives_a_margin_that_grows():
    found = study(n=50, dim=16)
    margins = [row.here for row in found.rows if row.figure.startswith("margin")]
    assert margins == sorted(margins)
    assert 0 < DELTA < 1
    assert found.curves["margin"] == sorted(found.curves["margin"])
