"""Figure 13: features of a random network collapse with depth."""

from __future__ import annotations

import numpy as np
import pytest

from c3_paper.theory.depth import features, study


def test_features_are_those_of_random_layers():
    outputs = features(200, 32, 6, seed=0)
    assert len(outputs) == 7
    assert abs(outputs[0].mean().item()) < 0.05
    assert outputs[0].std().item() == pytest.approx(1, abs=0.05)
    assert all((rows >= 0).all() for rows in outputs[1:])
    # A Xavier weight keeps the mean square of its input, ReLU halves it.
    assert outputs[1].square().mean().item() == pytest.approx(0.5, abs=0.1)


def test_the_effective_dimension_is_numpys_and_falls():
    found = study(n=300, dim=32, layers=20)
    effective = found.curves["effective_dimension"]
    assert effective == sorted(effective, reverse=True)
    last = features(300, 32, 20, seed=0)[-1].numpy()
    values = np.linalg.svd(np.cov(last.T), compute_uv=False)
    expected = int(np.argmax(np.cumsum(values) / values.sum() >= 0.99)) + 1
    assert effective[-1] == expected < effective[0]
    assert found.curves["mean_cosine"][-1] > found.curves["mean_cosine"][0] + 0.3
