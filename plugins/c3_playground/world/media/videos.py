"""Render video scenes as clips of eight 32 × 32 RGB frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from c3_playground.world.media.pictures import (
    ANGLE_JITTER,
    MOST_THINGS,
    SIZE_JITTER,
    Generators,
    Pixels,
    background_canvas,
    finish,
    jitter_draws,
    jittered_color,
    paint,
    rows_by_shape,
    thing_draws,
)
from c3_playground.world.media.shapes import Floats, coverage
from c3_playground.world.scenes import FRAME_SIDE, MARGIN, SHRUNKEN_RADIUS, Thing, VideoScene, place_center

FRAMES = 8
FRAMES_PER_SECOND = 4
LANE_JITTER = 0.4  # pixels
SPIN_STEP = np.deg2rad(20.0)  # of a frame: under half of the smallest symmetry, which is a star's 72 degrees
HOPS = 2
_BATCH = 32
_TIME = np.linspace(0.0, 1.0, FRAMES)


def _track(thing: Thing, draws: Floats) -> NDArray[np.float32]:
    """The path of an object: x, y, radius, angle and visible (0 or 1) in each frame, (5, 8)."""
    dx, dy, size, turn = (float(value) for value in draws[:4])
    scale = 1 + SIZE_JITTER * size
    radius = np.full(FRAMES, thing.radius * scale)
    if thing.motion in ("grow", "shrink"):
        radius = np.linspace(SHRUNKEN_RADIUS * scale, thing.radius, FRAMES)
        radius = radius if thing.motion == "grow" else radius[::-1]
    most = float(radius.max())
    low, high = most + MARGIN, FRAME_SIDE - most - MARGIN
    x0, y0 = place_center(thing.place, most)
    x = np.full(FRAMES, np.clip(x0 + dx * LANE_JITTER, low, high))
    y = np.full(FRAMES, np.clip(y0 + dy * LANE_JITTER, low, high))
    angle = np.full(FRAMES, turn * ANGLE_JITTER)
    visible = np.ones(FRAMES)
    match thing.motion:
        case "right":
            x = low + (high - low) * _TIME
        case "left":
            x = high + (low - high) * _TIME
        case "down":
            y = low + (high - low) * _TIME
        case "up":
            y = high + (low - high) * _TIME
        case "bounce":
            y = high - min(high - low, 14.0) * np.abs(np.sin(HOPS * np.pi * _TIME))
        case "spin":
            angle = np.pi * turn + (1 if dx > 0 else -1) * SPIN_STEP * np.arange(FRAMES)
        case "blink":
            visible = ((np.arange(FRAMES) + int((turn + 1) * 2)) // 2 % 2).astype(np.float64)
    return np.array([x, y, radius, angle, visible], np.float32)


def render(scenes: Sequence[VideoScene], rng: Generators) -> Pixels:
    """Render `scenes` as uint8 RGB clips (n, 8, 32, 32, 3). `rng` is as for pictures.

    >>> scene = VideoScene((Thing("star", "red", "small", "top", motion="left"),), "black")
    >>> render([scene], np.random.default_rng(0)).shape
    (1, 8, 32, 32, 3)
    """
    clips = np.empty((len(scenes), FRAMES, FRAME_SIDE, FRAME_SIDE, 3), np.uint8)
    for start in range(0, len(scenes), _BATCH):
        batch = scenes[start : start + _BATCH]
        own = rng if isinstance(rng, np.random.Generator) else rng[start : start + _BATCH]
        clips[start : start + len(batch)] = _render_batch(batch, own)
    return clips


def _render_batch(scenes: Sequence[VideoScene], rng: Generators) -> Pixels:
    # The three channels share one noise value, so that a frame has few enough colors for an exact GIF.
    draws, noise = jitter_draws(rng, len(scenes), FRAMES, FRAME_SIDE, FRAME_SIDE, 1)
    still = background_canvas([scene.background for scene in scenes], draws)
    canvas = np.repeat(still[:, None], FRAMES, axis=1)
    for slot in range(MOST_THINGS):
        slot_draws = thing_draws(draws, slot)
        for shape, rows in rows_by_shape(scenes, slot).items():
            tracks = np.stack([_track(scenes[row].things[slot], slot_draws[row]) for row in rows], axis=1)
            x, y, radius, angle, visible = tracks.reshape(5, -1)
            cover = coverage(shape, x, y, radius, angle) * visible[:, None, None]
            colors = np.stack([jittered_color(scenes[row].things[slot], slot_draws[row]) for row in rows])
            part = canvas[rows]
            paint(part, colors, cover.reshape(part.shape[:-1]))
            canvas[rows] = part
    return finish(canvas, draws, noise)
