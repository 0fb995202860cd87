"""What an item shows or plays: the factors of pictures, clips and sounds.

A scene is drawn before anything is rendered, in the canonical words of `lexicon.py`. Captions are scored against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from c3_playground.world.language import lexicon

FRAME_SIDE = 32  # pixels
MARGIN = 0.8  # pixels between an object and the frame
RADII = {"small": 3.9, "medium": 5.6, "large": 7.6}
SHRUNKEN_RADIUS, GROWN_RADIUS = 2.6, 6.4
CORNERS = 1.15  # the corners of a shape reach so many times as far as its radius
GAP = 1.0  # pixels between two objects of a picture

ROWS = {place: ("top" in place) * -1 + ("bottom" in place) for place in lexicon.PLACES}
COLUMNS = {place: ("left" in place) * -1 + ("right" in place) for place in lexicon.PLACES}
HORIZONTAL = ("left", "right")
VERTICAL = ("up", "down", "bounce")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a picture or a clip. `size` is None if the motion changes it; `motion` is None in pictures."""

    shape: str
    color: str
    size: str | None
    place: str
    motion: str | None = None

    @property
    def radius(self) -> float:
        """The largest radius of the object in pixels."""
        return GROWN_RADIUS if self.size is None else RADII[self.size]


@dataclass(frozen=True, slots=True)
class PictureScene:
    """One to three objects that do not overlap, on a plain background."""

    things: tuple[Thing, ...]
    background: str
    modality: ClassVar[str] = "image"

    @property
    def parts(self) -> tuple[Thing, ...]:
        return self.things

    def holds(self, first: int, relation: str, second: int) -> bool:
        """Whether `things[first]` is in `relation` to `things[second]`, by their places."""
        return _related(self.things[first], relation, self.things[second])


@dataclass(frozen=True, slots=True)
class VideoScene:
    """One or two objects on a plain background. Each moves in a lane of its own or stays on the spot."""

    things: tuple[Thing, ...]
    background: str
    modality: ClassVar[str] = "video"

    @property
    def parts(self) -> tuple[Thing, ...]:
        return self.things

    def holds(self, first: int, relation: str, second: int) -> bool:
        """As for pictures. A relation never holds if one of the two objects moves along its axis."""
        one, other = self.things[first], self.things[second]
        along = HORIZONTAL if relation in ("left of", "right of") else VERTICAL
        return {one.motion, other.motion}.isdisjoint(along) and _related(one, relation, other)


@dataclass(frozen=True, slots=True)
class SoundEvent:
    """`count` repeats of one sound. `pitch` is None for noises; `contour` is None if the pitch cannot glide."""

    timbre: str
    pitch: str | None
    count: int
    contour: str | None
    loudness: str


@dataclass(frozen=True, slots=True)
class SoundScene:
    """One to three events in order of time, over silence or faint noise."""

    events: tuple[SoundEvent, ...]
    background: str
    modality: ClassVar[str] = "audio"

    @property
    def parts(self) -> tuple[SoundEvent, ...]:
        return self.events

    def holds(self, first: int, relation: str, second: int) -> bool:
        """Whether the first event comes before the second. `relation` is always "before"."""
        return relation == "before" and first < second


Scene = PictureScene | VideoScene | SoundScene


def place_center(place: str, radius: float) -> tuple[float, float]:
    """The center (x, y) in pixels of an object of `radius` at `place`, which keeps it inside the frame.

    >>> place_center("centre", 5.0)
    (16.0, 16.0)
    """
    reach = min(FRAME_SIDE / 3, FRAME_SIDE / 2 - radius - MARGIN)
    return FRAME_SIDE / 2 + COLUMNS[place] * reach, FRAME_SIDE / 2 + ROWS[place] * reach


def _related(one: Thing, relation: str, other: Thing) -> bool:
    across, along = COLUMNS[other.place] - COLUMNS[one.place], ROWS[other.place] - ROWS[one.place]
    return {"left of": across > 0, "right of": across < 0, "above": along > 0, "below": along < 0}[relation]
