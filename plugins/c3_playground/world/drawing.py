"""Draw scenes at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import hypot
from random import Random

from c3_playground.world.language import lexicon
from c3_playground.world.palette import VISIBLE_COLORS
from c3_playground.world.scenes import (
    COLUMNS,
    CORNERS,
    GAP,
    HORIZONTAL,
    ROWS,
    VERTICAL,
    PictureScene,
    Scene,
    SoundEvent,
    SoundScene,
    Thing,
    VideoScene,
    place_center,
)

MOST_OBJECTS = 3  # of a picture
LANE_GAP = 0.3  # pixels between two objects of a clip, where lanes are narrow
MOST_TRIES = 12  # draws of an object before the picture is begun again

PLACE_AT = {(ROWS[place], COLUMNS[place]): place for place in lexicon.PLACES}
ON_THE_SPOT = ("grow", "shrink", "spin", "blink", "still")
TURNING_SHAPES = tuple(shape for shape in lexicon.SHAPES if shape not in ("circle", "ring"))
PITCHED = ("beep", "buzz", "bell", "whistle", "siren")
GLIDING = ("beep", "buzz", "whistle")


def _apart(first: Thing, second: Thing) -> bool:
    (x1, y1), (x2, y2) = place_center(first.place, first.radius), place_center(second.place, second.radius)
    across, along = abs(x1 - x2), abs(y1 - y2)
    # A moving object sweeps its lane, so that the distance along the lane does not count.
    motions = {first.motion, second.motion}
    if not motions.isdisjoint(HORIZONTAL):
        across = 0.0
    if not motions.isdisjoint(VERTICAL):
        along = 0.0
    return hypot(across, along) >= (first.radius + second.radius) * CORNERS + (LANE_GAP if first.motion else GAP)


def _fits(thing: Thing, others: list[Thing]) -> bool:
    return all(_apart(thing, other) and (thing.shape, thing.color) != (other.shape, other.color) for other in others)


def draw_picture(rng: Random) -> PictureScene:
    """Draw a picture: 15 % with one object, 50 % with two, 35 % with three."""
    background = rng.choice(tuple(lexicon.BACKGROUNDS))
    count = rng.choices((1, 2, 3), (15, 50, 35))[0]
    things: list[Thing] = []
    tries = 0
    while len(things) < count:
        tries += 1
        if tries % MOST_TRIES == 0:  # large objects may leave no room for another
            things.clear()
        thing = Thing(
            shape=rng.choice(tuple(lexicon.SHAPES)),
            color=rng.choice(VISIBLE_COLORS[background]),
            size=rng.choice(tuple(lexicon.SIZES)),
            place=rng.choice(tuple(lexicon.PLACES)),
        )
        if _fits(thing, things):
            things.append(thing)
    return PictureScene(tuple(things), background)


def variant_of(scene: PictureScene, factor: str, rng: Random) -> PictureScene:
    """The picture with one factor changed ("shape", "color" or "place"): of one object, or exchanged between two."""
    values = {
        "shape": tuple(lexicon.SHAPES),
        "color": VISIBLE_COLORS[scene.background],
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
    return variant_of(scene, "shape", rng)  # large objects may leave no other place; another shape always fits


def with_objects(scene: PictureScene, count: int, rng: Random) -> PictureScene:
    """The picture with `count` objects: some are left out, or others are drawn if there is room."""
    things = list(scene.things)
    while len(things) > count:
        things.pop(rng.randrange(len(things)))
    room = [(size, place) for size in lexicon.SIZES for place in lexicon.PLACES]
    rng.shuffle(room)
    for size, place in room:
        shape, color = rng.choice(tuple(lexicon.SHAPES)), rng.choice(VISIBLE_COLORS[scene.background])
        if len(things) < count and _fits(thing := Thing(shape, color, size, place), things):
            things.append(thing)
    if len(things) < count:  # large objects may leave no room
        return variant_of(scene, "shape", rng)
    return PictureScene(tuple(things), scene.background)


def _draw_moving(rng: Random, background: str, lane: tuple[int | None, int | None]) -> Thing:
    """Draw an object in a lane (row, column). It may move along an axis that is None."""
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
        color=rng.choice(VISIBLE_COLORS[background]),
        size=None if motion in ("grow", "shrink") else rng.choice(tuple(lexicon.SIZES)),
        place=PLACE_AT[at_row, at_column],
        motion=motion,
    )


def draw_video(rng: Random) -> VideoScene:
    """Draw a clip: a third of them with one object, the others with two, side by side or one above the other."""
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

    A single event has a pitch, because the noises alone give few different sounds. Each of three events is played at
    most twice, so that all fit.
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
