"""Checking fields and items."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, field_validator

from c3core.errors import C3Error, WrongCall
from c3core.io.validation import by_position, checked
from tests.helpers.labelled import Labelled


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rate: float = 0.1


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: int = 1
    mode: Literal["fast", "slow"] = "fast"
    inner: Inner = Inner()
    layers: list[Inner] = []

    @field_validator("steps")
    @classmethod
    def positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("must not be negative")
        return value


class Switches(BaseModel):
    number: int | None = None
    either: bool | int = False
    inner: Inner = Inner()


@pytest.mark.parametrize("values", [{"number": True}, {"inner": {"rate": False}}])
def test_true_is_refused_as_a_number(values: dict[str, object]) -> None:
    with pytest.raises(C3Error, match="must be a number, not (True|False)"):
        checked(Switches, values, what="options")
    assert checked(Switches, {"either": True}, what="options").either is True


class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Named(BaseModel):
    name: str


def message(values: dict[str, object], model: type[BaseModel] = Options) -> str:
    with pytest.raises(C3Error) as caught:
        checked(model, values, what="the recipe")
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.__context__ is None  # pydantic's own long text is not shown
    return str(caught.value)


def test_only_the_first_of_many_wrong_fields_are_named():
    found = message({f"field{number}": 0 for number in range(30)})
    assert found.count("no such field") == 6
    assert found.endswith("; and 24 more")


def test_correct_values_build_the_model():
    assert checked(Options, {"steps": "3", "inner": {"rate": 1}}, what="options") == Options(
        steps=3, inner=Inner(rate=1)
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"step": 1}, "the recipe: step: no such field, did you mean steps?"),
        ({"zebra": 1}, "the recipe: zebra: no such field, known: inner, layers, mode, steps"),
        ({"steps": -1}, "the recipe: steps: must not be negative"),
        ({"mode": "quick"}, "the recipe: mode: Input should be 'fast' or 'slow'"),
        ({"inner": {"rate": "x"}}, "the recipe: inner.rate: Input should be a valid number"),
        ({"inner": {"rat": 1}}, "the recipe: inner.rat: no such field, did you mean rate?"),
        ({"layers": [{}, {"rate": None}]}, "the recipe: layers.1.rate: Input should be a valid number"),
        ({"layers": {"rate": 1}}, "the recipe: layers: must be a list"),
    ],
)
def test_a_wrong_value_is_named_by_its_field(values, expected):
    assert message(values).startswith(expected)


def test_every_wrong_field_is_named():
    found = message({"steps": "many", "mode": 3, "zebra": 0})
    assert all(part in found for part in ("steps: ", "; mode: ", "; zebra: no such field"))


def test_a_missing_field_is_named():
    assert message({}, Named) == "the recipe: name: Field required"


VALUES = st.none() | st.integers() | st.text() | st.lists(st.integers())


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=4))
def test_unknown_fields_are_one_error(values):
    with pytest.raises(C3Error, match=r"^nothing: "):
        checked(Nothing, values, what="nothing")


def test_items_are_taken_by_position() -> None:
    items = ["a", "b"]
    assert by_position(items, "the items") is items
    for values in (Labelled(items), np.array(items), iter(items), {"a": 1, "b": 2}.keys()):
        assert by_position(values, "the items") == items
    assert by_position(torch.tensor([3, 1]), "the items") == [3, 1]
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    assert [picture.shape for picture in by_position(pictures, "the items")] == [(4, 4, 3)] * 2
    for wrong in ("ab", b"ab", {"a": 1}, 3, np.array(3)):
        with pytest.raises(WrongCall, match="the items must be a list"):
            by_position(wrong, "the items")


def test_a_data_frame_is_no_list_of_items() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"caption": ["a", "b"]})
    with pytest.raises(WrongCall, match="Give one of its columns"):
        by_position(frame, "the items")
    assert by_position(frame["caption"], "the items") == ["a", "b"]
