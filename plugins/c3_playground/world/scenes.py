"""The factors of pictures, clips and sounds, and how they are drawn.

A scene is what an item shows or plays, in the canonical words of `lexicon.py`. It is drawn before anything is rendered,
and it is the truth that captions are scored against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import hypot
from random import Random
from typing import ClassVar

from c3_playground.world.language import lexicon
from c3_playground.world.palette import VISIBLE_COLOURS

FRAME_SIDE = 32
RADII = {"small": 3.9, "medium": 5.6, "large": 7.6}
SHRUNKEN_RADIUS, GROWN_RADIUS = 2.6, 6.4
# The corners of a shape reach this much further than its radius.
CORNERS = 1.15
MOST_TRIES = 12
MOST_OBJECTS = 3  # of a picture
# Objects keep this many pixels between them (in clips, where lanes are narrow, less), and MARGIN from the frame.
GAP = 1.0
LANE_GAP = 0.3
MARGIN = 0.8

ROWS = {place: ("top" in place) * -1 + ("bottom" in place) for place in lexicon.PLACES}
COLUMNS = {place: ("left" in place) * -1 + ("right" in place) for place in lexicon.PLACES}
PLACE_AT = {(ROWS[place], COLUMNS[place]): place for place in lexicon.PLACES}

HORIZONTAL = ("left", "right")
VERTICAL = ("up", "down", "bounce")
ON_THE_SPOT = ("grow", "shrink", "spin", "blink", "still")
TURNING_SHAPES = tuple(shape for shape in lexicon.SHAPES if shape not in ("circle", "ring"))

PITCHED = ("beep", "buzz", "bell", "whistle", "siren")
GLIDING = ("beep", "buzz", "whistle")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a picture or a clip. `size` is None where the motion changes it, `motion` is None in pictures."""

    shape: str
    colour: str
    size: str | None
    place: str
    motion: str | None = None

    @property
    def radius(self) -> float:
        """The largest radius in pixels that the object takes."""
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
        """Whether `things[first]` stands in `relation` to `things[second]`, by their places."""
        a, b = self.things[first].place, self.things[second].place
        across, along = COLUMNS[b] - COLUMNS[a], ROWS[b] - ROWS[a]
        return {"left of": across > 0, "right of": across < 0, "above": along > 0, "below": along < 0}[relation]


@dataclass(frozen=True, slots=True)
class VideoScene:
    """One or two objects, each with a motion of its own lane or on the spot, on a plain background."""

    things: tuple[Thing, ...]
    background: str
    modality: ClassVar[str] = "video"

    @property
    def parts(self) -> tuple[Thing, ...]:
        return self.things

    def holds(self, first: int, relation: str, second: int) -> bool:
        """As for pictures; a relation along an axis that one of the two moves on never holds."""
        motions = {self.things[first].motion, self.things[second].motion}
        if not motions.isdisjoint(HORIZONTAL if relation in ("left of", "right of") else VERTICAL):
            return False
        return PictureScene(self.things, self.background).holds(first, relation, second)


@dataclass(frozen=True, slots=True)
class SoundEvent:
    """`count` repeats of one sound. `pitch` is None for noises, `contour` is None where the pitch cannot glide."""

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
        """Whether the first event comes before the second; `relation` is always "before"."""
        return relation == "before" and first < second


Scene = PictureScene | VideoScene | SoundScene


def place_centre(place: str, radius: float) -> tuple[float, float]:
    """The centre (x, y) in pixels of an object of `radius` at `place`, moved in so that it stays inside the frame.

    >>> place_centre("centre", 5.0)
    (16.0, 16.0)
    """
    reach = min(FRAME_SIDE / 3, FRAME_SIDE / 2 - radius - MARGIN)
    return FRAME_SIDE / 2 + COLUMNS[place] * reach, FRAME_SIDE / 2 + ROWS[place] * reach


def _apart(first: Thing, second: Thing) -> bool:
    (x1, y1), (x2, y2) = place_centre(first.place, first.radius), place_centre(second.place, second.radius)
    across, along = abs(x1 - x2), abs(y1 - y2)
    # A moving object sweeps its whole lane, so the distance along that axis does not count.
    motions = {first.motion, second.motion}
    if not motions.isdisjoint(HORIZONTAL):
        across = 0.0
    if not motions.isdisjoint(VERTICAL):
        along = 0.0
    return hypot(across, along) >= (first.radius + second.radius) * CORNERS + (LANE_GAP if first.motion else GAP)


def _fits(thing: Thing, others: list[Thing]) -> bool:
    return all(_apart(thing, other) and (thing.shape, thing.colour) != (other.shape, other.colour) for other in others)


def draw_picture(rng: Random) -> PictureScene:
    """Draw a picture: 15 % with one object, 50 % with two, 35 % with three."""
    background = rng.choice(tuple(lexicon.BACKGROUNDS))
    count = rng.choices((1, 2, 3), (15, 50, 35))[0]
    things: list[Thing] = []
    tries = 0
    while len(things) < count:
        tries += 1
        if tries % MOST_TRIES == 0:  # large objects may leave no room for a third
            things.clear()
        thing = Thing(
            shape=rng.choice(tuple(lexicon.SHAPES)),
            colour=rng.choice(VISIBLE_COLOURS[background]),
            size=rng.choice(tuple(lexicon.SIZES)),
            place=rng.choice(tuple(lexicon.PLACES)),
        )
        if _fits(thing, things):
            things.append(thing)
    return PictureScene(tuple(things), background)


def variant_of(scene: PictureScene, factor: str, rng: Random) -> PictureScene:
    """The same picture but for one factor ("shape", "colour", "place"): two objects have exchanged theirs, or one has
    another.
    """
    values = {
        "shape": tuple(lexicon.SHAPES),
        "colour": VISIBLE_COLOURS[scene.background],
        "place": tuple(lexicon.PLACES),
    }[factor]
    now = [getattr(thing, factor) for thing in scene.things]
    exchanged = [{i: now[j], j: now[i]} for i in range(len(now)) for j in range(i)]
    changed = [{i: value} for i in range(len(now)) for value in values]
    rng.shuffle(exchanged)
    rng.shuffle(changed)
    for change in exchanged + changed if rng.random() < 0.5 else changed:
        things = [replace(thing, **{factor: change.get(i, now[i])}) for i, thing in enumerate(scene.things)]
        if things != list(scene.things) and all(_fits(thing, things[:i]) for i, thing in enumerate(things)):
            return PictureScene(tuple(things), scene.background)
    return variant_of(scene, "shape", rng)  # large objects may leave no other place; other shapes always fit


def with_objects(scene: PictureScene, count: int, rng: Random) -> PictureScene:
    """The same picture with `count` objects: some are left out, or new ones drawn where there is room."""
    things = list(scene.things)
    while len(things) > count:
        things.pop(rng.randrange(len(things)))
    room = [(size, place) for size in lexicon.SIZES for place in lexicon.PLACES]
    rng.shuffle(room)
    for size, place in room:
        shape, colour = rng.choice(tuple(lexicon.SHAPES)), rng.choice(VISIBLE_COLOURS[scene.background])
        if len(things) < count and _fits(thing := Thing(shape, colour, size, place), things):
            things.append(thing)
    if len(things) < count:  # large objects leave no room
        return variant_of(scene, "shape", rng)
    return PictureScene(tuple(things), scene.background)


def _draw_moving(rng: Random, background: str, lane: tuple[int | None, int | None]) -> Thing:
    """Draw an object in a lane (row, column), either of which may be open; the axis left open is free to move along."""
    row, column = lane
    shape = rng.choice(tuple(lexicon.SHAPES))
    motions = (HORIZONTAL if column is None else ()) + (VERTICAL if row is None else ()) + ON_THE_SPOT
    motion = rng.choice(motions)
    while motion == "spin" and shape not in TURNING_SHAPES:
        motion = rng.choice(motions)
    anywhere = (-1, 0, 1)
    at_row = 0 if motion in VERTICAL else rng.choice(anywhere) if row is None else row
    at_column = 0 if motion in HORIZONTAL else rng.choice(anywhere) if column is None else column
    return Thing(
        shape=shape,
        colour=rng.choice(VISIBLE_COLOURS[background]),
        size=None if motion in ("grow", "shrink") else rng.choice(tuple(lexicon.SIZES)),
        place=PLACE_AT[at_row, at_column],
        motion=motion,
    )


def draw_video(rng: Random) -> VideoScene:
    """Draw a clip: a third with one object, the others with two, one above the other or side by side."""
    background = rng.choice(tuple(lexicon.BACKGROUNDS))
    if rng.random() < 1 / 3:
        return VideoScene((_draw_moving(rng, background, (None, None)),), background)
    stacked = rng.random() < 0.5
    sides = rng.choice(((-1, 1), (1, -1)))
    things: list[Thing] = []
    while len(things) < 2:
        side = sides[len(things)]
        thing = _draw_moving(rng, background, (side, None) if stacked else (None, side))
        if _fits(thing, things):
            things.append(thing)
    return VideoScene(tuple(things), background)


def _draw_event(rng: Random, timbres: tuple[str, ...], most: int) -> SoundEvent:
    timbre = rng.choice(timbres)
    return SoundEvent(
        timbre=timbre,
        pitch=rng.choice(tuple(lexicon.PITCHES)) if timbre in PITCHED else None,
        count=min(most, rng.choice((1, 1, 1, 2, 2, 3, 3, 4))),
        contour=rng.choice(tuple(lexicon.CONTOURS)) if timbre in GLIDING else None,
        loudness=rng.choice(tuple(lexicon.LOUDNESSES)),
    )


def draw_sound(rng: Random) -> SoundScene:
    """Draw a sound: 12 % with one event, 58 % with two, 30 % with three.

    A single event is always pitched, as there are too few noises to tell many sounds apart.
    Of three events each repeats at most once, to leave room.
    """
    count = rng.choices((1, 2, 3), (12, 58, 30))[0]
    timbres = PITCHED if count == 1 else tuple(lexicon.TIMBRES)
    events: list[SoundEvent] = []
    while len(events) < count:
        event = _draw_event(rng, timbres, most=2 if count == 3 else 4)
        if all((event.timbre, event.pitch) != (other.timbre, other.pitch) for other in events):
            events.append(event)
    return SoundScene(tuple(events), rng.choice(tuple(lexicon.SOUND_BACKGROUNDS)))


DRAW: dict[str, Callable[[Random], Scene]] = {"image": draw_picture, "video": draw_video, "audio": draw_sound}
