"""Draw the scene and the sentences of each item of a split, whatever else is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from c3_playground.world.drawing import DRAW, MOST_OBJECTS, variant_of, with_objects
from c3_playground.world.language.sentences import sentences
from c3_playground.world.scenes import PictureScene, Scene

MODALITIES = ("image", "video", "audio")
# Training on items that are hard to tell apart: of each four pictures in "variants" three differ from the first in one
# factor, and of each three pictures in "counts" two differ from the first in the number of objects.
SPLITS = ("train", "validation", "test", "variants", "counts")
PICTURE_SPLITS = ("variants", "counts")
VARIED = ("shape", "color", "place")


@dataclass(frozen=True, slots=True)
class Stream:
    """The items of one seed, modality and split. Each index has random generators of its own."""

    seed: int
    modality: str
    split: str

    def item_id(self, index: int) -> str:
        return f"{self.modality}/{self.split}/{index:06d}"

    def draw(self, index: int, count: int) -> tuple[Scene, list[str]]:
        """The scene of `index` and its first `count` sentences."""
        rng = self._random(index)
        scene = self._scene(index, rng)
        return scene, sentences(scene, rng, count)

    def generator(self, index: int) -> np.random.Generator:
        """The generator that renders `index`."""
        entropy = [self.seed, MODALITIES.index(self.modality), SPLITS.index(self.split), index]
        return np.random.default_rng(entropy)

    def _scene(self, index: int, rng: Random) -> Scene:
        group = {"variants": 1 + len(VARIED), "counts": MOST_OBJECTS}.get(self.split, 1)
        place = index % group
        if place == 0:
            return DRAW[self.modality](rng)
        first = self._scene(index - place, self._random(index - place))
        assert isinstance(first, PictureScene)
        if self.split == "variants":
            return variant_of(first, VARIED[place - 1], rng)
        others = [count for count in range(1, MOST_OBJECTS + 1) if count != len(first.things)]
        return with_objects(first, others[place - 1], rng)

    def _random(self, index: int) -> Random:
        return Random(f"c3_playground/{self.seed}/{self.item_id(index)}")
