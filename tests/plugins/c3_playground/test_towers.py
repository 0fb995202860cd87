"""The towers of the playground pass the suite of towers."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from c3_playground.world import World
from c3core import Tower, load_tower
from c3core.errors import WrongCall
from c3core.testing import TowerContract


@cache
def items(modality: str) -> list[Any]:
    return [item.data for item in World().items(modality, "test", 3)]


class TestText(TowerContract):
    def make(self) -> Tower:
        return load_tower("playground-text")

    def sources(self) -> list[str]:
        return ["a red ring", "a blue star, left of a green square", "nothing"]

    def bad_source(self) -> str:
        return ""


class TestTrainedText(TestText):
    def make(self) -> Tower:
        return load_tower("playground-text", frozen=False)


class TestImage(TowerContract):
    differentiable = True

    def make(self) -> Tower:
        return load_tower("playground-image")

    def sources(self) -> list[Any]:
        return items("image")

    def bad_source(self) -> str:
        return "no-such-file.png"


class TestTrainedImage(TestImage):
    def make(self) -> Tower:
        return load_tower("playground-image", frozen=False)


class TestVideo(TowerContract):
    def make(self) -> Tower:
        return load_tower("playground-video", stages=[8, 16])

    def sources(self) -> list[Any]:
        return items("video")

    def bad_source(self) -> Any:
        return items("video")[0][0]  # one frame


class TestAudio(TowerContract):
    def make(self) -> Tower:
        return load_tower("playground-audio", stages=[8, 8, 16], layers=2)

    def sources(self) -> list[Any]:
        return items("audio")

    def bad_source(self) -> Any:
        return items("audio")[0][:0]


def test_a_frozen_text_tower_takes_no_other_vocabulary() -> None:
    with pytest.raises(WrongCall, match="vocabulary"):
        load_tower("playground-text", vocabulary=["red"])
