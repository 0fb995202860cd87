from __future__ import annotations

import colorsys
from math import pi
from random import Random

import numpy as np
import pytest

from c3_playground.world.drawing import draw_picture
from c3_playground.world.language import lexicon
from c3_playground.world.media.pictures import render
from c3_playground.world.media.shapes import coverage
from c3_playground.world.palette import BACKGROUND_RGB, visible
from c3_playground.world.scenes import PictureScene, Thing

HALVES = (slice(0, 16), slice(16, 32))
# What people call these colors: a range of hue in degrees, with enough saturation and value.
HUES = {
    "red": (-15, 12),
    "orange": (20, 40),
    "yellow": (45, 65),
    "green": (110, 155),
    "blue": (215, 240),
    "purple": (265, 295),
    "pink": (315, 345),
}


def one(shape="circle", color="red", size="large", place="centre", background="black"):
    return PictureScene((Thing(shape, color, size, place),), background)


def foreground(picture, background):
    distance = np.linalg.norm(picture.astype(float) - np.array(BACKGROUND_RGB[background], float), axis=-1)
    return distance > 45


def centroid(mask):
    rows, columns = np.nonzero(mask)
    return columns.mean() + 0.5, rows.mean() + 0.5


def blobs(mask):
    """The number of connected groups of pixels, diagonals included."""
    left = {tuple(at) for at in np.argwhere(mask)}
    count = 0
    while left:
        count += 1
        edge = [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge.extend(near)
    return count


@pytest.mark.parametrize("color", list(lexicon.COLORS))
def test_the_rendered_color_is_the_named_one(color):
    background = next(name for name in lexicon.BACKGROUNDS if visible(color, name))
    pictures = render([one(color=color, background=background)] * 20, np.random.default_rng(0))
    for red, green, blue in pictures[:, 14:18, 14:18].reshape(20, -1, 3).mean(axis=1) / 255:
        hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
        if color == "white":
            assert saturation < 0.12
            assert value > 0.85
        elif color == "black":
            assert value < 0.15
        else:
            low, high = HUES[color]
            assert low <= (hue * 360 + 20) % 360 - 20 <= high
            assert saturation > 0.45
            assert value > 0.5


@pytest.mark.parametrize("place", list(lexicon.PLACES))
@pytest.mark.parametrize("size", list(lexicon.SIZES))
def test_the_object_lies_in_the_named_ninth(place, size):
    for shape in lexicon.SHAPES:
        for picture in render([one(shape, size=size, place=place)] * 4, np.random.default_rng(1)):
            x, y = centroid(foreground(picture, "black"))
            column = 0 if "left" in place else 2 if "right" in place else 1
            row = 0 if "top" in place else 2 if "bottom" in place else 1
            assert (int(x // (32 / 3)), int(y // (32 / 3))) == (column, row)


def test_sizes_never_meet():
    for shape in lexicon.SHAPES:
        areas = {
            size: [foreground(p, "black").sum() for p in render([one(shape, size=size)] * 40, np.random.default_rng(2))]
            for size in lexicon.SIZES
        }
        assert max(areas["small"]) < min(areas["medium"])
        assert max(areas["medium"]) < min(areas["large"])


def test_coverage_has_the_area_of_the_shape():
    radius = 7.0
    areas = {  # worked out by hand from the outlines, in units of radius squared
        "circle": pi * 0.98**2,
        "square": 1.64**2,
        "triangle": 2.08 * 1.7 / 2,
        "ring": pi * (1.02**2 - 0.56**2),
        "cross": 2 * 2.04 * 0.62 - 0.62**2,
        "diamond": 2 * 0.68 * 1.1,
        "star": 5 * 1.15 * 0.45 * np.sin(pi / 5),
    }
    at = np.array([16.3], np.float32)
    for shape, area in areas.items():
        for angle in (0.0, 0.1):
            cover = coverage(shape, at, at, np.array([radius], np.float32), np.array([angle], np.float32))
            assert cover.sum() == pytest.approx(area * radius**2, rel=0.03), shape
            assert 0 <= cover.min() <= cover.max() == 1


def test_shapes_have_their_features():
    middle, radius = np.array([16.0], np.float32), np.array([7.0], np.float32)
    covers = {shape: coverage(shape, middle, middle, radius, 0 * middle)[0] for shape in lexicon.SHAPES}
    assert covers["ring"][15:17, 15:17].max() == 0
    assert all(cover[15:17, 15:17].min() == 1 for shape, cover in covers.items() if shape != "ring")
    top, bottom = ({shape: cover[half].sum(axis=1) for shape, cover in covers.items()} for half in HALVES)
    for shape in ("circle", "square", "ring", "cross", "diamond"):
        assert top[shape] == pytest.approx(bottom[shape][::-1], abs=1e-4)
    assert max(top["triangle"]) < max(bottom["triangle"])  # stands on its base
    assert max(top["heart"]) > max(bottom["heart"])  # stands on its tip
    assert (covers["heart"][16 - 6] < 0.5)[15:17].all()  # has a notch
    assert covers["diamond"].max(axis=1).sum() > 1.4 * covers["diamond"].max(axis=0).sum()
    assert all(np.allclose(cover, cover[:, ::-1], atol=1e-4) for cover in covers.values())


def test_objects_neither_touch_nor_leave_the_frame():
    rng = Random(6)
    scenes = [draw_picture(rng) for _ in range(250)]
    for scene, picture in zip(scenes, render(scenes, np.random.default_rng(6)), strict=True):
        mask = foreground(picture, scene.background)
        assert blobs(mask) == len(scene.things), scene


def test_a_picture_does_not_depend_on_its_batch():
    rng = Random(7)
    scenes = [draw_picture(rng) for _ in range(130)]

    def own(index):
        return np.random.default_rng([1, index])

    together = render(scenes, [own(index) for index in range(130)])
    assert together.dtype == np.uint8
    assert together.shape == (130, 32, 32, 3)
    for index in (0, 1, 63, 64, 129):
        assert np.array_equal(render([scenes[index]], [own(index)])[0], together[index])


def test_no_scenes_give_no_pictures():
    assert render([], np.random.default_rng(0)).shape == (0, 32, 32, 3)
