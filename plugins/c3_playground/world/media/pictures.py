"""Render picture scenes as 32 × 32 RGB pictures."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from c3_playground.world.media.shapes import Floats, coverage
from c3_playground.world.palette import BACKGROUND_RGB, OBJECT_RGB
from c3_playground.world.scenes import CORNERS, FRAME_SIDE, GAP, PictureScene, Thing, VideoScene, place_center

Pixels = NDArray[np.uint8]
Generators = np.random.Generator | Sequence[np.random.Generator]

MOST_THINGS = 3
PLACE_JITTER = 1.0  # pixels
SIZE_JITTER = 0.05  # of the radius
ANGLE_JITTER = 0.12  # radians
COLOR_JITTER = 10.0  # of 255, each channel
BACKGROUND_JITTER = 7.0  # of 255, each channel
BRIGHTNESS_JITTER = 0.06  # of the value, the whole picture
PIXEL_NOISE = 4  # of 255, each pixel and channel
_PER_THING = 7  # random numbers of an object: x, y, size, angle, red, green, blue
_DRAWS = MOST_THINGS * _PER_THING + 4  # four more of the picture: three of the background, one of the brightness
_BATCH = 64  # pictures whose arrays fit the processor's cache


def jitter_draws(rng: Generators, count: int, *noise_shape: int) -> tuple[Floats, Floats]:
    """The random numbers of `count` items: draws (count, 25) in -1 to 1, and pixel noise (count, *noise_shape).

    With a generator for each item, an item does not depend on the others. The noise is whole steps of brightness.
    """
    rngs = [rng] * count if isinstance(rng, np.random.Generator) else rng
    draws = np.empty((count, _DRAWS), np.float32)
    noise = np.empty((count, prod(noise_shape)), np.int8)
    for row, own in enumerate(rngs):
        draws[row] = own.random(_DRAWS, np.float32)
        noise[row] = np.frombuffer(own.bytes(noise.shape[1]), np.int8)
    steps = np.rint(noise.reshape(count, *noise_shape) * np.float32(PIXEL_NOISE / 128))
    return draws * 2 - 1, steps


def thing_draws(draws: Floats, slot: int) -> Floats:
    """The draws (n, 7) of the objects in `slot`: x, y, size, angle, red, green, blue."""
    return draws[:, slot * _PER_THING : (slot + 1) * _PER_THING]


def rows_by_shape(scenes: Sequence[PictureScene | VideoScene], slot: int) -> dict[str, list[int]]:
    """The rows of `scenes` that have an object in `slot`, by its shape, so that each shape is computed once."""
    rows: dict[str, list[int]] = {}
    for row, scene in enumerate(scenes):
        if slot < len(scene.things):
            rows.setdefault(scene.things[slot].shape, []).append(row)
    return rows


def background_canvas(backgrounds: Sequence[str], draws: Floats) -> Floats:
    """Plain canvases (n, 32, 32, 3) in 0 to 255, each of a slightly different color."""
    base = np.array([BACKGROUND_RGB[name] for name in backgrounds], np.float32)
    base = base + draws[:, -4:-1] * np.float32(BACKGROUND_JITTER)
    return np.broadcast_to(base[:, None, None, :], (len(base), FRAME_SIDE, FRAME_SIDE, 3)).copy()


def paint(canvas: Floats, colors: Floats, cover: Floats) -> None:
    """Mix `colors` (n, 3) into `canvas` (n, ..., 3) in place, in the proportion `cover` (n, ...)."""
    colors = colors.reshape(len(colors), *[1] * (canvas.ndim - 2), 3)
    canvas += (colors - canvas) * cover[..., None]


def finish(canvas: Floats, draws: Floats, noise: Floats) -> Pixels:
    """Apply brightness and pixel noise, and round to bytes."""
    brightness = 1 + draws[:, -1] * np.float32(BRIGHTNESS_JITTER)
    canvas *= brightness.reshape(-1, *[1] * (canvas.ndim - 1))
    return np.clip(np.rint(canvas) + noise, 0, 255).astype(np.uint8)


def jittered_color(thing: Thing, draws: Floats) -> Floats:
    """The RGB color of an object, slightly different from its name's."""
    return np.array(OBJECT_RGB[thing.color], np.float32) + draws[4:7] * np.float32(COLOR_JITTER)


def _placements(scene: PictureScene, draws: Floats) -> list[tuple[float, float, float, float]]:
    """The (x, y, radius, angle) of each object. No object is moved if two would touch."""
    still, moved = [], []
    for slot, thing in enumerate(scene.things):
        dx, dy, size, angle = (float(v) for v in draws[slot * _PER_THING : slot * _PER_THING + 4])
        radius = thing.radius * (1 + SIZE_JITTER * size)
        x, y = place_center(thing.place, radius)
        still.append((x, y, radius, angle * ANGLE_JITTER))
        low, high = radius, FRAME_SIDE - radius
        x = min(max(x + dx * PLACE_JITTER, low), high)
        y = min(max(y + dy * PLACE_JITTER, low), high)
        moved.append((x, y, radius, angle * ANGLE_JITTER))
    for i, (x1, y1, r1, _) in enumerate(moved):
        for x2, y2, r2, _ in moved[:i]:
            if (x1 - x2) ** 2 + (y1 - y2) ** 2 < ((r1 + r2) * CORNERS + GAP) ** 2:
                return still
    return moved


def render(scenes: Sequence[PictureScene], rng: Generators) -> Pixels:
    """Render `scenes` as uint8 RGB pictures (n, 32, 32, 3).

    `rng` is one generator, or one for each item: then a picture does not depend on the others of the batch.

    >>> scene = PictureScene((Thing("circle", "red", "large", "centre"),), "black")
    >>> render([scene], np.random.default_rng(0)).shape
    (1, 32, 32, 3)
    """
    pictures = np.empty((len(scenes), FRAME_SIDE, FRAME_SIDE, 3), np.uint8)
    for start in range(0, len(scenes), _BATCH):
        batch = scenes[start : start + _BATCH]
        own = rng if isinstance(rng, np.random.Generator) else rng[start : start + _BATCH]
        pictures[start : start + len(batch)] = _render_batch(batch, own)
    return pictures


def _render_batch(scenes: Sequence[PictureScene], rng: Generators) -> Pixels:
    draws, noise = jitter_draws(rng, len(scenes), FRAME_SIDE, FRAME_SIDE, 3)
    canvas = background_canvas([scene.background for scene in scenes], draws)
    placements = [_placements(scene, own) for scene, own in zip(scenes, draws, strict=True)]
    for slot in range(MOST_THINGS):
        slot_draws = thing_draws(draws, slot)
        for shape, rows in rows_by_shape(scenes, slot).items():
            x, y, radius, angle = np.array([placements[row][slot] for row in rows], np.float32).T
            colors = np.stack([jittered_color(scenes[row].things[slot], slot_draws[row]) for row in rows])
            part = canvas[rows]
            paint(part, colors, coverage(shape, x, y, radius, angle))
            canvas[rows] = part
    return finish(canvas, draws, noise)
