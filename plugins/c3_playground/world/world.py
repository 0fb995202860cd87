"""Ask the world for items of any modality."""

from __future__ import annotations

import os
from pathlib import Path

from c3_playground.world.item import Item, Renderer
from c3_playground.world.media.export import export_items
from c3_playground.world.stream import MODALITIES, PICTURE_SPLITS, SPLITS, Stream
from c3core.errors import WrongCall, near

SENTENCES_PER_ITEM = 5


class World:
    """A procedural world of pictures, clips and sounds, the same for the same seed.

    An item depends only on the seed, its modality, its split and its index, not on how many are asked for.

    >>> world = World(seed=0)
    >>> [item.id for item in world.items("audio", "test", 2, start=7)]
    ['audio/test/000007', 'audio/test/000008']
    """

    def __init__(self, seed: int = 0) -> None:
        if seed < 0:
            raise WrongCall(f"seed must be 0 or more, got {seed}.")
        self.seed = seed

    def items(self, modality: str, split: str, n: int, start: int = 0) -> list[Item]:
        """The `n` items from index `start` of a split: "train", "validation", "test", "variants" or "counts"."""
        stream = self._stream(modality, split)
        _check_not_negative(n=n, start=start)
        drawn = [stream.draw(index, SENTENCES_PER_ITEM) for index in range(start, start + n)]
        renderer = Renderer(stream, start, [scene for scene, _ in drawn])
        return [
            Item(stream.item_id(start + position), modality, scene, tuple(sentences), renderer, position)
            for position, (scene, sentences) in enumerate(drawn)
        ]

    def sentences(self, n: int, split: str = "train", modality: str | None = None) -> list[str]:
        """The first sentences of the first `n` items of a split. Nothing is rendered.

        Without a `modality` they are about an image, a video and an audio in turn.

        >>> world = World()
        >>> world.sentences(2, modality="image") == [i.sentences[0] for i in world.items("image", "train", 2)]
        True
        """
        modalities = MODALITIES if modality is None else (modality,)
        for name in modalities:
            self._stream(name, split)  # refuses unknown names, even if `n` is 0
        _check_not_negative(n=n)
        return [self.sentence(k // len(modalities), split, modalities[k % len(modalities)]) for k in range(n)]

    def sentence(self, index: int, split: str, modality: str) -> str:
        """The first sentence of one item. Nothing is rendered."""
        _check_not_negative(index=index)
        return self._stream(modality, split).draw(index, 1)[1][0]

    def export(
        self, folder: str | os.PathLike[str], modality: str, split: str, n: int, *, video_suffix: str = ".gif"
    ) -> Path:
        """Write the first `n` items of a split as files, and return the path of the `table.csv` beside them.

        The table has the columns `<modality>` (file names, relative to the table) and `caption`, with five rows an
        item. Images are PNG, sounds 16-bit WAV, clips GIF with exact frames, or H.264 with `video_suffix=".mp4"`.
        """
        return export_items(self.items(modality, split, n), Path(folder), modality, video_suffix)

    def _stream(self, modality: str, split: str) -> Stream:
        if modality not in MODALITIES:
            raise WrongCall(f"the playground has no modality {modality!r}: {near(modality, MODALITIES)}")
        if split not in SPLITS:
            raise WrongCall(f"the playground has no split {split!r}: {near(split, SPLITS)}")
        if split in PICTURE_SPLITS and modality != "image":
            raise WrongCall(f"the split {split!r} has only the modality image, not {modality}.")
        return Stream(self.seed, modality, split)


def _check_not_negative(**counts: int) -> None:
    for name, value in counts.items():
        if value < 0:
            raise WrongCall(f"{name} must be 0 or more, got {value}.")
