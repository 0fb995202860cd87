"""YAML as users write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core.errors import WrongCall
from c3core.io.yaml_text import load_yaml, named_values


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["{!r}", "{:e}", "{:E}", "{:.3e}", "{:g}"]))
def test_any_way_to_write_a_number_is_a_number(number: float, form: str) -> None:
    written = form.format(number)
    assert load_yaml(written, "it") == float(written)


def test_text_that_looks_like_a_number_stays_text() -> None:
    for text in ("e5", "1e", "1e-2m", "1.2.3", "c3", "-e3", "a1e5"):
        assert load_yaml(text, "it") == text


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: 1\nb: 2\na: 3", "line 3: 'a' is given twice"), ("[", "it is no valid YAML"), ("2001-02-30", "no valid YAML")],
)
def test_wrong_text_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(WrongCall, match=message):
        load_yaml(text, "it")


@pytest.mark.parametrize("word", ["prompt=2020-13-45", "prompt=[red", "prompt=a: b: c", "prompt"])
def test_an_option_that_cannot_be_read_is_named(word: str) -> None:
    with pytest.raises(WrongCall, match="prompt"):
        named_values([word])


def test_a_value_is_read_as_in_a_recipe() -> None:
    assert named_values(["noise_std=1e-2", "num_beams=3", "do_sample=true", "prompt=a red ring"]) == {
        "noise_std": 0.01,
        "num_beams": 3,
        "do_sample": True,
        "prompt": "a red ring",
    }


def test_an_option_without_a_name_is_refused() -> None:
    with pytest.raises(WrongCall, match="written name=value"):
        named_values(["=3"])
