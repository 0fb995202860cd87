"""What sentences state, one by one."""

from __future__ import annotations

import pytest

from c3_playground.world import World
from c3_playground.world.language.statements import statements


@pytest.mark.parametrize(
    ("sentence", "modality", "expected"),
    [
        ("a ring", "image", {"ring"}),
        (
            "a red disc on the left",
            "image",
            {"circle", "red", "at left", "circle red", "circle at left", "red at left"},
        ),
        ("a ring right of a star", "image", {"ring", "star", "star left of", "left of ring"}),
        ("a star left of a ring", "image", {"ring", "star", "star left of", "left of ring"}),
        ("a ring moves left", "video", {"ring", "left", "ring left"}),
        ("two beeps", "audio", {"beep", "2 times", "beep 2 times"}),
        ("nothing at all", "image", set()),
    ],
)
def test_each_statement_is_named_in_one_way(sentence: str, modality: str, expected: set[str]) -> None:
    assert set(statements(sentence, modality)) == expected


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_no_statement_comes_twice(modality: str) -> None:
    for sentence in World().sentences(200, modality=modality):
        found = statements(sentence, modality)
        assert found
        assert len(found) == len(set(found))
