"""An item of the world, whose data is rendered when it is asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from c3_playground.world.media import pictures, sounds, videos
from c3_playground.world.scenes import Scene
from c3_playground.world.stream import Stream

RENDER: dict[str, Any] = {"image": pictures.render, "video": videos.render, "audio": sounds.render}
AT_ONCE = {"image": 256, "video": 32, "audio": 16}  # neighbors that are rendered together
KEPT_BYTES = 256 * 2**20  # rendered data that a list of items keeps


class Renderer:
    """Renders the scenes of a list of items in batches, and keeps the batches that were used last."""

    def __init__(self, stream: Stream, start: int, scenes: Sequence[Scene]) -> None:
        self.stream, self.start, self.scenes = stream, start, scenes
        self.kept: OrderedDict[int, NDArray[Any]] = OrderedDict()

    def __getitem__(self, position: int) -> NDArray[Any]:
        size = AT_ONCE[self.stream.modality]
        number, row = divmod(position, size)
        if number not in self.kept:
            first = number * size
            scenes = self.scenes[first : first + size]
            rngs = [self.stream.generator(self.start + first + offset) for offset in range(len(scenes))]
            batch = RENDER[self.stream.modality](scenes, rngs)
            batch.flags.writeable = False  # the items share it
            self.kept[number] = batch
            while len(self.kept) > 1 and len(self.kept) * batch.nbytes > KEPT_BYTES:
                self.kept.popitem(last=False)
        self.kept.move_to_end(number)
        data: NDArray[Any] = self.kept[number][row]
        return data


@dataclass(frozen=True, slots=True)
class Item:
    """A picture, clip or sound with five sentences and the scene that they are about."""

    id: str
    modality: str
    scene: Scene
    sentences: tuple[str, ...]
    renderer: Renderer = field(repr=False, compare=False)
    position: int = field(repr=False, compare=False)

    @property
    def data(self) -> NDArray[Any]:
        """The pixels or samples, read-only.

        uint8 (32, 32, 3) for an image, uint8 (8, 32, 32, 3) for a video, float32 (32000,) at 16 kHz for an audio.
        """
        return self.renderer[self.position]
