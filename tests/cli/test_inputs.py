"""Options from the words of a command line."""

from __future__ import annotations

import pytest

from c3core.cli.inputs import options_of
from c3core.errors import WrongCall


@pytest.mark.parametrize("word", ["prompt=2020-13-45", "prompt=[red", "prompt=a: b: c", "prompt"])
def test_an_option_that_cannot_be_read_is_named(word: str) -> None:
    with pytest.raises(WrongCall, match="prompt"):
        options_of([word])


def test_a_value_is_read_as_in_a_recipe() -> None:
    assert options_of(["noise_std=1e-2", "num_beams=3", "do_sample=true", "prompt=a red ring"]) == {
        "noise_std": 0.01,
        "num_beams": 3,
        "do_sample": True,
        "prompt": "a red ring",
    }


def test_an_option_without_a_name_is_refused() -> None:
    with pytest.raises(WrongCall, match="written name=value"):
        options_of(["=3"])
