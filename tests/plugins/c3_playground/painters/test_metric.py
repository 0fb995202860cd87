"""The metric of drawings: its figures, and what it refuses to judge."""

from __future__ import annotations

import numpy as np
import pytest

from c3_playground.painters.metric import factors
from c3_playground.world import World
from c3core.errors import WrongCall


def test_true_pictures_show_all_that_is_stated_and_those_of_others_do_not() -> None:
    items = World().items("image", "test", 100, start=3000)
    sentences, pictures = [item.sentences[0] for item in items], [item.data for item in items]
    true = factors(sentences, pictures, [[picture] for picture in pictures])
    assert min(true[name] for name in ("factors", "shape", "color", "place")) >= 99
    assert true["exact"] >= 85  # a few sentences leave an object out
    other = factors([*sentences[1:], sentences[0]], pictures, [])
    assert other["factors"] < 60
    assert (other["objects"], other["inception"]) == (true["objects"], true["inception"])


def test_a_picture_of_half_the_objects_has_half_the_factors() -> None:
    pair = next(item for item in World().items("image", "test", 50) if len(item.scene.things) == 2)
    first, _ = (f"a {thing.color} {thing.shape} at the {thing.place}" for thing in pair.scene.things)
    absent = next(
        color for color in ("red", "blue", "green") if color not in {thing.color for thing in pair.scene.things}
    )
    found = factors([first, f"a {absent} {pair.scene.things[0].shape}"], [pair.data] * 2, [])
    assert (found["shape"], found["color"], found["place"]) == (100.0, 50.0, 100.0)
    assert found["factors"] == pytest.approx(250 / 3)


def test_what_is_not_of_the_playground_is_refused() -> None:
    with pytest.raises(WrongCall, match="got 64 × 64 × 3"):
        factors(["a red ring"], [np.zeros((64, 64, 3), np.uint8)], [])
    with pytest.raises(WrongCall, match="states no shape"):
        factors(["a dog on the grass"], [np.zeros((32, 32, 3), np.uint8)], [])
