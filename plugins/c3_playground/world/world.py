"""The one entry to the world: items of any modality, from a seed."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from c3_playground.world.language.sentences import sentences
from c3_playground.world.media import pictures, sounds, videos
from c3_playground.world.media.export import export_items
from c3_playground.world.scenes import DRAW, MOST_OBJECTS, PictureScene, Scene, variant_of, with_objects
from c3core.errors import WrongCall, near

MODALITIES = ("image", "video", "audio")
# Two splits of pictures alone, hard to tell apart, to learn from. In "variants" each fourth item is new, and the three
# after it differ from it in one factor; in "counts" each third is new, and the two after it show it with more or fewer
# objects.
SPLITS = ("train", "validation", "test", "variants", "counts")
OF_PICTURES = ("variants", "counts")
VARIED = ("shape", "colour", "place")
SENTENCES_AN_ITEM = 5

_RENDER: dict[str, Any] = {"image": pictures.render, "video": videos.render, "audio": sounds.render}
# Items rendered at once when one of them is asked for, and how much rendered data a list of items keeps.
_BATCH = {"image": 256, "video": 32, "audio": 16}
_KEPT_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class _Stream:
    """One seed's items of one modality and split; each index has generators of its own, whatever else is drawn."""

    seed: int
    modality: str
    split: str

    def item_id(self, index: int) -> str:
        return f"{self.modality}/{self.split}/{index:06d}"

    def draw(self, index: int, count: int) -> tuple[Scene, list[str]]:
        """The scene of `index` and its first `count` sentences."""
        rng = self._random(index)
        scene = self._varied(index, rng)
        return scene, sentences(scene, rng, count)

    def _varied(self, index: int, rng: Random) -> Scene:
        size = {"variants": 1 + len(VARIED), "counts": MOST_OBJECTS}.get(self.split, 1)
        which = index % size
        if which == 0:
            return DRAW[self.modality](rng)
        first = self._varied(index - which, self._random(index - which))
        assert isinstance(first, PictureScene)
        if self.split == "variants":
            return variant_of(first, VARIED[which - 1], rng)
        others = [count for count in range(1, MOST_OBJECTS + 1) if count != len(first.things)]
        return with_objects(first, others[which - 1], rng)

    def _random(self, index: int) -> Random:
        return Random(f"c3_playground/{self.seed}/{self.item_id(index)}")

    def generator(self, index: int) -> np.random.Generator:
        """For the rendering of `index`."""
        entropy = [self.seed, MODALITIES.index(self.modality), SPLITS.index(self.split), index]
        return np.random.default_rng(entropy)


class _Renderer:
    """Renders the scenes of one list of items in batches, and keeps the latest of them."""

    def __init__(self, stream: _Stream, start: int, scenes: Sequence[Scene]) -> None:
        self.stream, self.start, self.scenes = stream, start, scenes
        self.kept: OrderedDict[int, NDArray[Any]] = OrderedDict()

    def __getitem__(self, position: int) -> NDArray[Any]:
        size = _BATCH[self.stream.modality]
        number, row = divmod(position, size)
        if number not in self.kept:
            first = number * size
            scenes = self.scenes[first : first + size]
            rngs = [self.stream.generator(self.start + first + offset) for offset in range(len(scenes))]
            batch = _RENDER[self.stream.modality](scenes, rngs)
            batch.flags.writeable = False  # the items share it
            self.kept[number] = batch
            while len(self.kept) > 1 and len(self.kept) * batch.nbytes > _KEPT_BYTES:
                self.kept.popitem(last=False)
        self.kept.move_to_end(number)
        data: NDArray[Any] = self.kept[number][row]
        return data


@dataclass(frozen=True, slots=True)
class Item:
    """A picture, clip or sound with its five sentences and the scene they are about.

    `data` is rendered when first asked for, together with its neighbours, and is read-only: uint8 (32, 32, 3) for an
    image, uint8 (8, 32, 32, 3) for a video, float32 (32000,) at 16 kHz for an audio.
    """

    id: str
    modality: str
    scene: Scene
    sentences: tuple[str, ...]
    _renderer: _Renderer = field(repr=False, compare=False)
    _position: int = field(repr=False, compare=False)

    @property
    def data(self) -> NDArray[Any]:
        return self._renderer[self._position]


class World:
    """A procedural world of pictures, clips and sounds, the same for the same seed.

    An item depends on the seed, its modality, its split and its index alone, not on how many are asked for.

    >>> world = World(seed=0)
    >>> [item.id for item in world.items("audio", "test", 2, start=7)]
    ['audio/test/000007', 'audio/test/000008']
    """

    def __init__(self, seed: int = 0) -> None:
        if seed < 0:
            raise WrongCall(f"seed {seed} is negative. Give 0 or more.")
        self.seed = seed

    def items(self, modality: str, split: str, n: int, start: int = 0) -> list[Item]:
        """The `n` items of `split` ("train", "validation", "test", "variants", "counts") from index `start` on."""
        stream = self._stream(modality, split)
        _check_not_negative(n=n, start=start)
        drawn = [stream.draw(index, SENTENCES_AN_ITEM) for index in range(start, start + n)]
        renderer = _Renderer(stream, start, [scene for scene, _ in drawn])
        return [
            Item(stream.item_id(start + position), modality, scene, tuple(said), renderer, position)
            for position, (scene, said) in enumerate(drawn)
        ]

    def sentences(self, n: int, split: str = "train", modality: str | None = None) -> list[str]:
        """`n` sentences, each about another item of `split`, without rendering anything.

        They are the first sentences of the items in order; with no `modality` given, of each modality in turn.

        >>> world = World()
        >>> world.sentences(2, modality="image") == [i.sentences[0] for i in world.items("image", "train", 2)]
        True
        """
        modalities = MODALITIES if modality is None else (modality,)
        for name in modalities:
            self._stream(name, split)  # refuses unknown ones, also where no sentence is asked for
        _check_not_negative(n=n)
        return [self.sentence(k // len(modalities), split, modalities[k % len(modalities)]) for k in range(n)]

    def sentence(self, index: int, split: str, modality: str) -> str:
        """The first sentence about one item, without rendering it."""
        _check_not_negative(index=index)
        return self._stream(modality, split).draw(index, 1)[1][0]

    def export(
        self, folder: str | os.PathLike[str], modality: str, split: str, n: int, *, video_suffix: str = ".gif"
    ) -> Path:
        """Write the first `n` items of `split` as files and return the path of the `table.csv` beside them.

        The table has the columns `<modality>` (file names, relative to the table) and `caption`, five rows an item.
        Images are PNG, sounds 16-bit WAV, clips GIF with exact frames, or H.264 with `video_suffix=".mp4"`.
        """
        return export_items(self.items(modality, split, n), Path(folder), modality, video_suffix)

    def _stream(self, modality: str, split: str) -> _Stream:
        if modality not in MODALITIES:
            raise WrongCall(f"the playground has no modality {modality!r}: {near(modality, MODALITIES)}")
        if split not in SPLITS:
            raise WrongCall(f"the playground has no split {split!r}: {near(split, SPLITS)}")
        if split in OF_PICTURES and modality != "image":
            raise WrongCall(f"only pictures have {split}, not the modality {modality!r}.")
        return _Stream(self.seed, modality, split)


def _check_not_negative(**counts: int) -> None:
    for name, value in counts.items():
        if value < 0:
            raise WrongCall(f"{name} = {value} is negative. Give 0 or more.")
