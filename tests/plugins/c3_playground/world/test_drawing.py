from __future__ import annotations

from random import Random

import pytest

from c3_playground.world.drawing import DRAW, draw_picture, draw_sound, draw_video
from c3_playground.world.language import lexicon
from c3_playground.world.palette import BACKGROUND_RGB, OBJECT_RGB, visible
from c3_playground.world.scenes import PictureScene, Thing, VideoScene


@pytest.mark.parametrize(("modality", "most_repeated"), [("image", 5), ("video", 10), ("audio", 40)])
def test_a_thousand_scenes_are_nearly_all_different(modality, most_repeated):
    rng = Random(11)
    scenes = [DRAW[modality](rng) for _ in range(1000)]
    assert len(set(scenes)) >= 1000 - most_repeated


def test_every_value_of_every_factor_is_drawn():
    rng = Random(3)
    things = [thing for _ in range(800) for thing in draw_picture(rng).things]
    assert {thing.shape for thing in things} == set(lexicon.SHAPES)
    assert {thing.color for thing in things} == set(lexicon.COLORS) == set(OBJECT_RGB)
    assert {thing.size for thing in things} == set(lexicon.SIZES)
    assert {thing.place for thing in things} == set(lexicon.PLACES)
    assert {draw_picture(rng).background for _ in range(200)} == set(lexicon.BACKGROUNDS) == set(BACKGROUND_RGB)
    assert {thing.motion for _ in range(300) for thing in draw_video(rng).things} == set(lexicon.MOTIONS)
    events = [event for _ in range(500) for event in draw_sound(rng).events]
    assert {event.timbre for event in events} == set(lexicon.TIMBRES)
    assert {event.count for event in events} == {1, 2, 3, 4}
    assert {event.pitch for event in events} == {None, *lexicon.PITCHES}
    assert {event.contour for event in events} == {None, *lexicon.CONTOURS}


def test_objects_stand_out_from_their_background():
    assert not visible("white", "white")
    assert not visible("black", "dark green")
    rng = Random(5)
    for _ in range(300):
        scene = draw_picture(rng)
        assert all(visible(thing.color, scene.background) for thing in scene.things)


def test_relations_follow_from_the_places():
    scene = PictureScene((Thing("star", "red", "small", "top left"), Thing("ring", "blue", "small", "right")), "black")
    assert scene.holds(0, "left of", 1)
    assert scene.holds(0, "above", 1)
    assert scene.holds(1, "below", 0)
    assert not scene.holds(0, "right of", 1)
    level = PictureScene((Thing("star", "red", "small", "left"), Thing("ring", "blue", "small", "right")), "black")
    assert not level.holds(0, "above", 1)
    assert not level.holds(0, "below", 1)


def test_a_relation_along_the_axis_of_a_motion_never_holds():
    mover = Thing("star", "red", "small", "top", motion="right")
    scene = VideoScene((mover, Thing("ring", "blue", "small", "bottom left", motion="still")), "black")
    assert scene.holds(0, "above", 1)
    assert not scene.holds(1, "left of", 0)
