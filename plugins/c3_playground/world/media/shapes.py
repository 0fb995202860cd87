"""Render antialiased shapes by their signed distance.

A signed distance is how far a point lies outside (positive) or inside (negative) of an outline. The formulas are Inigo
Quilez's (iquilezles.org/articles/distfunctions2d). They are scaled so that all shapes fill about the same disc, and
have their center of mass near the origin.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, hypot, pi, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from c3_playground.world.scenes import FRAME_SIDE

Floats = NDArray[np.floating[Any]]


def _circle(x: Floats, y: Floats) -> Floats:
    return np.sqrt(x * x + y * y) - 0.98


def _box(x: Floats, y: Floats, half_width: float, half_height: float) -> Floats:
    across, along = np.abs(x) - half_width, np.abs(y) - half_height
    outside = np.sqrt(np.maximum(across, 0) ** 2 + np.maximum(along, 0) ** 2)
    distance: Floats = outside + np.minimum(np.maximum(across, along), 0)
    return distance


def _square(x: Floats, y: Floats) -> Floats:
    return _box(x, y, 0.82, 0.82)


def _polygon(x: Floats, y: Floats, corners: list[tuple[float, float]]) -> Floats:
    """The exact distance to a polygon, edge by edge. The even-odd rule gives the sign."""
    nearest = np.full_like(x, np.inf)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        ex, ey = bx - ax, by - ay
        wx, wy = x - ax, y - ay
        along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, (wx - ex * along) ** 2 + (wy - ey * along) ** 2)
        if ey != 0:
            crosses = (ay <= y) != (by <= y)
            inside ^= crosses & (wx < ex * wy / ey)
    distance = np.sqrt(nearest)
    return np.where(inside, -distance, distance)


def _triangle(x: Floats, y: Floats) -> Floats:
    return _polygon(x, y, [(0.0, -1.12), (1.04, 0.58), (-1.04, 0.58)])


_STAR_CORNERS = [
    (radius * sin(turn * pi / 5), -radius * cos(turn * pi / 5)) for turn, radius in enumerate([1.15, 0.45] * 5)
]


def _star(x: Floats, y: Floats) -> Floats:
    return _polygon(x, y, _STAR_CORNERS)


def _ring(x: Floats, y: Floats) -> Floats:
    return np.abs(np.sqrt(x * x + y * y) - 0.79) - 0.23


def _cross(x: Floats, y: Floats) -> Floats:
    return np.minimum(_box(x, y, 1.02, 0.31), _box(x, y, 0.31, 1.02))


def _diamond(x: Floats, y: Floats) -> Floats:
    half_width, half_height = 0.68, 1.1
    slope = hypot(half_width, half_height)
    return (np.abs(x) * half_height + np.abs(y) * half_width - half_width * half_height) / slope


def _heart(x: Floats, y: Floats) -> Floats:
    # In the formula the heart has its tip at the origin, and its lobes reach about y = 1.1.
    scale = 1.75
    x, y = np.abs(x) / scale, (1.1 - y) / scale
    lobe = np.sqrt((x - 0.25) ** 2 + (y - 0.75) ** 2) - sqrt(0.125)
    half = 0.5 * np.maximum(x + y, 0)
    tip = np.sqrt(np.minimum(x**2 + (y - 1) ** 2, (x - half) ** 2 + (y - half) ** 2)) * np.sign(x - y)
    return np.where(x + y > 1, lobe, tip) * scale


OUTLINES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "diamond": _diamond,
    "heart": _heart,
}

_PIXELS = np.arange(FRAME_SIDE, dtype=np.float32) + np.float32(0.5)


def coverage(shape: str, x: Floats, y: Floats, radius: Floats, angle: Floats) -> Floats:
    """The share of each pixel that `shape` covers, (n, 32, 32) in 0 to 1, for `n` placements.

    `x`, `y`, `radius` (pixels) and `angle` (radians, clockwise) are float32 (n,).

    >>> one = np.ones(1, np.float32)
    >>> float(coverage("square", 16 * one, 16 * one, 6 * one, 0 * one)[0, 16, 16])
    1.0
    """
    across = (_PIXELS[None, None, :] - x[:, None, None]) / radius[:, None, None]
    along = (_PIXELS[None, :, None] - y[:, None, None]) / radius[:, None, None]
    c = np.cos(angle)[:, None, None]
    s = np.sin(angle)[:, None, None]
    distance = OUTLINES[shape](across * c + along * s, along * c - across * s)
    cover: Floats = np.clip(0.5 - distance * radius[:, None, None], 0, 1)
    return cover
