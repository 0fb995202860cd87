"""What the score of a picture counts."""

from __future__ import annotations

import pytest

from c3_playground.painters.factor_network import FactorReader, load_reader
from c3_playground.painters.factor_score import factor_accuracy, factor_score, inception_score
from c3_playground.world import PictureScene, World
from c3_playground.world.scenes import Thing


@pytest.fixture(scope="module")
def reader() -> FactorReader:
    return load_reader()


def scene(*things: tuple[str, str, str]) -> PictureScene:
    return PictureScene(tuple(Thing(shape, color, None, place) for shape, color, place in things), "")


@pytest.mark.parametrize(
    ("sentence", "seen", "expected"),
    [
        ("a red circle", scene(("circle", "red", "top")), {"shape": (1, 1), "color": (1, 1), "place": (0, 0)}),
        ("a red circle", scene(), {"shape": (0, 1), "color": (0, 1), "place": (0, 0)}),
        (
            "a red circle at the top",
            scene(("circle", "blue", "left")),
            {"shape": (1, 1), "color": (0, 1), "place": (0, 1)},
        ),
        (
            "a blue star and a red circle",
            scene(("circle", "red", "top"), ("star", "blue", "left")),
            {"shape": (2, 2), "color": (2, 2), "place": (0, 0)},
        ),
        (
            "a red circle above a blue star",
            scene(("circle", "red", "bottom"), ("star", "blue", "top")),
            {"shape": (2, 2), "color": (2, 2), "place": (0, 1)},
        ),
    ],
)
def test_a_score_counts_what_the_sentence_states(
    sentence: str, seen: PictureScene, expected: dict[str, tuple[int, int]]
) -> None:
    assert factor_score(sentence, seen) == expected


def test_an_object_beyond_the_stated_ones_costs_only_exactness(reader: FactorReader) -> None:
    pair = next(item for item in World().items("image", "test", 50) if len(item.scene.things) == 2)
    first, second = (f"a {thing.color} {thing.shape} at the {thing.place}" for thing in pair.scene.things)
    for sentence, exact in ((f"{first} and {second}", 1.0), (first, 0.0), (f"{first}, {second} and {second}", 0.0)):
        found = factor_accuracy(reader, [sentence], [pair.data])
        assert (found["exact"], found["objects"]) == (exact, 2.0)
    assert factor_accuracy(reader, [first], [pair.data])["mean"] == 1.0


def test_the_inception_score_is_high_only_for_clear_and_varied_pictures(reader: FactorReader) -> None:
    pictures = [item.data for item in World().items("image", "test", 400)]
    assert inception_score(reader, pictures) > 40
    assert inception_score(reader, [pictures[0]] * 20) == pytest.approx(1.0, abs=1e-4)
