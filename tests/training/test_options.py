"""Training options: the learning rate by hand, and fields that are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.errors import C3Error
from c3core.training.options import TrainingOptions


def test_the_rate_by_hand() -> None:
    linear = TrainingOptions(warmup_steps=4, lr_scheduler_type="linear")
    assert [linear.learning_rate_factor(step, 12) for step in (0, 3, 4, 8, 12)] == [0.25, 1.0, 1.0, 0.5, 0.0]
    cosine = TrainingOptions(warmup_steps=0, lr_scheduler_type="cosine")
    assert cosine.learning_rate_factor(5, 10) == pytest.approx(0.5)
    assert TrainingOptions(warmup_steps=0, lr_scheduler_type="constant").learning_rate_factor(9, 10) == 1.0
    assert [linear.learning_rate_factor(step, 4) for step in range(4)] == [
        0.5,
        1.0,
        1.0,
        0.5,
    ]  # half of the run at most


@given(st.integers(0, 50), st.integers(1, 200), st.sampled_from(["linear", "cosine", "constant"]))
def test_the_rate_climbs_then_never_grows(warmup: int, total: int, schedule: str) -> None:
    options = TrainingOptions.of({"warmup_steps": warmup, "lr_scheduler_type": schedule})
    rates = [options.learning_rate_factor(step, total) for step in range(total)]
    assert all(0 <= rate <= 1 for rate in rates)
    top = min(warmup, total // 2)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) == 1.0


def test_wrong_options_name_the_field() -> None:
    with pytest.raises(C3Error, match="learning_rate"):
        TrainingOptions.of({"learning_rate": -1})
    with pytest.raises(C3Error, match="did you mean batch_size"):
        TrainingOptions.of({"batchsize": 3})
