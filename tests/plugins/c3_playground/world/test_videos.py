from __future__ import annotations

from random import Random

import numpy as np
import pytest

from c3_playground.world.drawing import draw_video
from c3_playground.world.language import lexicon
from c3_playground.world.media.videos import FRAMES, render
from c3_playground.world.palette import BACKGROUND_RGB
from c3_playground.world.scenes import Thing, VideoScene


def clips(motion, shape="star", size="medium", place="centre", n=10):
    size = None if motion in ("grow", "shrink") else size
    scene = VideoScene((Thing(shape, "yellow", size, place, motion=motion),), "black")
    return render([scene] * n, np.random.default_rng(0))


def masks(clip, background="black"):
    distance = np.linalg.norm(clip.astype(float) - np.array(BACKGROUND_RGB[background], float), axis=-1)
    return distance > 45


def centroids(clip):
    """(x, y) of the object in each frame, shape (8, 2)."""
    return np.array([np.argwhere(mask).mean(axis=0)[::-1] for mask in masks(clip)])


@pytest.mark.parametrize(("motion", "axis", "sign"), [("left", 0, -1), ("right", 0, 1), ("up", 1, -1), ("down", 1, 1)])
@pytest.mark.parametrize("size", list(lexicon.SIZES))
def test_objects_move_the_named_way(motion, axis, sign, size):
    for clip in clips(motion, size=size):
        path = centroids(clip)
        steps = sign * np.diff(path[:, axis])
        assert (steps > 0.8).all()
        assert steps.sum() > 12
        assert np.ptp(path[:, 1 - axis]) < 1


@pytest.mark.parametrize(("motion", "sign"), [("grow", 1), ("shrink", -1)])
def test_objects_change_their_size(motion, sign):
    for shape in lexicon.SHAPES:
        for clip in clips(motion, shape, n=3):
            areas = masks(clip).sum(axis=(1, 2)).astype(float)
            # The edges of a square may round to the same pixels in two frames that follow each other.
            assert (sign * (areas[2:] - areas[:-2]) > 0).all()
            assert max(areas) > 3 * min(areas)
            assert np.ptp(centroids(clip), axis=0).max() < 1.2


def test_bouncing_goes_up_and_down_twice():
    for clip in clips("bounce"):
        path = centroids(clip)
        height = path[:, 1].max() - path[:, 1]
        assert height.max() > 8
        assert height[0] < 1
        assert height[-1] < 1
        turns = np.diff(np.sign(np.diff(height)))
        assert (turns < 0).sum() == 2  # two tops
        assert np.ptp(path[:, 0]) < 1


def test_blinking_hides_the_object_in_half_of_the_frames():
    for clip in clips("blink"):
        seen = masks(clip).any(axis=(1, 2))
        assert seen.sum() == FRAMES // 2
        assert np.abs(np.diff(seen.astype(int))).sum() >= 3


@pytest.mark.parametrize("shape", ["square", "triangle", "star", "cross", "diamond", "heart"])
def test_spinning_changes_the_outline_and_not_the_place(shape):
    still = [np.mean(m[1:] ^ m[:-1]) for m in map(masks, clips("still", shape, size="large"))]
    for clip in clips("spin", shape, size="large"):
        outlines = masks(clip)
        assert np.mean(outlines[1:] ^ outlines[:-1]) > 5 * max(still) + 0.01
        assert np.ptp(centroids(clip), axis=0).max() < 2.5


def test_still_objects_stay():
    for clip in clips("still"):
        assert np.ptp(centroids(clip), axis=0).max() < 0.2


def test_two_objects_stay_apart():
    rng = Random(8)
    scenes = [scene for scene in (draw_video(rng) for _ in range(300)) if len(scene.things) == 2]
    for scene in scenes:
        alone = [
            masks(render([VideoScene((thing,), scene.background)], np.random.default_rng(1))[0], scene.background)
            for thing in scene.things
        ]
        assert not (alone[0] & alone[1]).any(), scene


def test_a_frame_has_few_enough_colors_for_a_gif():
    rng = Random(9)
    for clip in render([draw_video(rng) for _ in range(150)], np.random.default_rng(9)):
        assert max(len(np.unique(frame.reshape(-1, 3), axis=0)) for frame in clip) <= 256


def test_a_clip_does_not_depend_on_its_batch():
    rng = Random(7)
    scenes = [draw_video(rng) for _ in range(40)]

    def own(index):
        return np.random.default_rng([1, index])

    together = render(scenes, [own(index) for index in range(40)])
    assert together.shape == (40, FRAMES, 32, 32, 3)
    for index in (0, 31, 32, 39):
        assert np.array_equal(render([scenes[index]], [own(index)])[0], together[index])
