"""Training options: the learning rate by hand, and wrong fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.errors import WrongCall
from c3core.training.options import TrainingOptions, accepts_training


def test_learning_rate_factors_by_hand() -> None:
    linear = TrainingOptions(warmup_steps=4, lr_scheduler_type="linear").learning_rate_factor
    assert [linear(step, 12) for step in (0, 3, 4, 8, 12)] == [0.25, 1.0, 1.0, 0.5, 0.0]
    assert [linear(step, 4) for step in range(4)] == [0.5, 1.0, 1.0, 0.5]  # it warms up for at most half of the run
    cosine = TrainingOptions(warmup_steps=0, lr_scheduler_type="cosine").learning_rate_factor
    assert cosine(5, 10) == pytest.approx(0.5)
    constant = TrainingOptions(warmup_steps=0, lr_scheduler_type="constant").learning_rate_factor
    assert constant(9, 10) == 1.0


@given(st.integers(0, 50), st.integers(1, 200), st.sampled_from(["linear", "cosine", "constant"]))
def test_the_learning_rate_rises_to_its_maximum_and_never_rises_again(warmup: int, total: int, schedule: str) -> None:
    options = TrainingOptions.of({"warmup_steps": warmup, "lr_scheduler_type": schedule})
    factors = [options.learning_rate_factor(step, total) for step in range(total)]
    assert all(0 <= factor <= 1 for factor in factors)
    top = min(warmup, total // 2)
    assert factors[:top] == sorted(factors[:top])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert max(factors) == 1.0


def test_options_stay_the_object_that_was_given() -> None:
    options = TrainingOptions(steps=3)
    assert TrainingOptions.of(options) is options
    assert TrainingOptions.of(None) == TrainingOptions()


def test_a_training_option_as_a_keyword_of_the_call_says_what_to_write() -> None:
    @accepts_training
    def fit(items: list[int], *, seed: int = 0, training: object = None) -> tuple[int, object]:
        """Train."""
        return seed, training

    options: dict[str, Any] = {"steps": 20, "batch_size": 4}
    with pytest.raises(WrongCall, match=r"training=\{'steps': 20, 'batch_size': 4\}"):
        fit([1], **options)
    assert fit([1], seed=3, training=options) == (3, options)  # `seed` is its own
    with pytest.raises(TypeError, match="itmes"):
        fit(itmes=[1])  # type: ignore[arg-type]
    assert fit.__doc__ == "Train."


def test_gradients_are_clipped_by_default_and_null_is_allowed() -> None:
    assert TrainingOptions().max_grad_norm == 1.0
    assert TrainingOptions.of({"max_grad_norm": None}).max_grad_norm is None


@pytest.mark.parametrize("options", [{"learning_rate": -1}, {"max_grad_norm": 0}, {"max_grad_norm": True}])
def test_wrong_values_name_the_field(options: dict[str, object]) -> None:
    with pytest.raises(WrongCall, match=next(iter(options))):
        TrainingOptions.of(options)


def test_an_unknown_field_gets_a_hint() -> None:
    with pytest.raises(WrongCall, match="did you mean batch_size"):
        TrainingOptions.of({"batchsize": 3})
