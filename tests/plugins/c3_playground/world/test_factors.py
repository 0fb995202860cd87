from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3_playground.world import Factors, PictureScene, SoundScene, VideoScene, accuracy, consistent, parse
from c3_playground.world.language import lexicon
from c3_playground.world.scenes import SoundEvent, Thing

PICTURE = PictureScene(
    (Thing("circle", "red", "small", "top left"), Thing("star", "blue", "large", "bottom right")), "grey"
)
CLIP = VideoScene(
    (Thing("heart", "pink", None, "centre", "grow"), Thing("ring", "red", "small", "top", "left")), "black"
)
SOUND = SoundScene(
    (SoundEvent("drum", None, 2, None, "loud"), SoundEvent("whistle", "high", 1, "rising", "soft")), "noise"
)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("a red circle and a blue star", 1),
        ("there is a tiny red dot at the top left and a huge blue star on gray", 1),
        ("A RED DISC, A BLUE STAR.", 1),
        ("the star is blue and the circle is red", 1),
        ("a red circle", 2 / 4),
        ("a circle and a star", 2 / 4),
        ("a blue circle and a red star", 2 / 4),
        ("a red circle and a blue ring", 3 / 4),
        ("a big red circle and a blue star", 4 / 5),  # a stated wrong size
        ("a red circle and a blue star on black", 4 / 5),
        ("a red circle to the left of a blue star", 5 / 5),
        ("a red circle below a blue star", 4 / 5),
        ("a blue star with a red circle above it", 5 / 5),
        ("under a red circle is a blue star", 5 / 5),
        ("a red circle, a blue star and a green heart", 4 / 6),  # an invented object
        ("a grey background", 0),
        ("nothing of this world", 0),
        ("", 0),
    ],
)
def test_accuracy_of_pictures_by_hand(sentence, expected):
    assert accuracy(sentence, PICTURE) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("a pink heart grows while a red ring moves left", 1),
        ("a growing pink heart and a red hoop sliding to the left", 1),
        ("a pink heart and a red ring moving left", 5 / 6),
        ("a pink heart shrinks while a red ring moves left", 5 / 6),
        ("a huge pink heart grows while a red ring moves left", 1),  # a growing heart has no size to be wrong about
        ("a red ring at the top moves left over a pink heart that grows", 8 / 8),
        ("a red ring moves left to the left of a growing pink heart", 6 / 7),
    ],
)
def test_accuracy_of_clips_by_hand(sentence, expected):
    assert accuracy(sentence, CLIP) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("two drum hits then a whistle", 5 / 5),  # timbre and count of both, and the order
        ("a rising high whistle after two loud thumps over faint noise", 9 / 9),
        ("a whistle then two drum hits", 4 / 5),
        ("a drum hit twice then a whistle", 5 / 5),
        ("drum beats followed by a low whistle", 4 / 5),
        ("two drum hits", 2 / 3),
        ("two beeps", 1 / 3),
        ("a high drum hit twice and then a whistle in silence", 5 / 6),  # a drum has no pitch to be wrong about
    ],
)
def test_accuracy_of_sounds_by_hand(sentence, expected):
    assert accuracy(sentence, SOUND) == pytest.approx(expected)


def test_matching_takes_the_best_pairing():
    twins = PictureScene((Thing("ring", "red", "small", "left"), Thing("ring", "blue", "large", "right")), "black")
    assert accuracy("a large blue ring to the right of a small red ring", twins) == 1
    assert accuracy("a small blue ring and a large red ring", twins) == pytest.approx(4 / 6)


@pytest.mark.parametrize(
    ("kind", "table"),
    [("shape", lexicon.SHAPES), ("color", lexicon.COLORS), ("size", lexicon.SIZES), ("place", lexicon.PLACES)],
)
def test_every_way_to_say_a_visual_value_is_read(kind, table):
    frames = {"shape": "a red {}", "color": "an {} heart", "size": "a {} heart", "place": "a heart {} on black"}
    for modality in ("image", "video"):
        for value, ways in table.items():
            for way in ways:
                assert parse(frames[kind].format(way), modality).parts[0][kind] == value, way


@pytest.mark.parametrize("table", [lexicon.MOTIONS, lexicon.MOTION_PARTICIPLES])
def test_every_way_to_say_a_motion_is_read(table):
    for value, ways in table.items():
        for way in ways:
            factors = parse(f"a red heart {way} and a blue ring spins", "video")
            assert [part["motion"] for part in factors.parts] == [value, "spin"], way


def test_backgrounds_are_not_taken_for_objects_nor_objects_for_backgrounds():
    for background, ways in lexicon.BACKGROUNDS.items():
        for way in ways:
            for sentence in (f"a red heart on {way}", f"against a {way} backdrop, a red heart"):
                factors = parse(sentence, "image")
                assert factors.background == background, sentence
                assert factors.parts == ({"shape": "heart", "color": "red"},), sentence
    assert parse("a red heart on a white square", "image").background is None


def test_sounds_are_read_in_order_of_time():
    factors = parse("three soft clicks after a low buzz going down", "audio")
    assert factors.parts == (
        {"timbre": "buzz", "count": 1, "pitch": "low", "contour": "falling"},
        {"timbre": "click", "count": 3, "loudness": "soft"},
    )
    assert factors.relations == ((0, "before", 1),)


def test_consistent_needs_every_stated_factor():
    assert consistent(parse("a blue star below a red circle on grey", "image"), PICTURE)
    assert consistent(parse("a star", "image"), PICTURE)
    for false in (
        "a blue star above a red circle",
        "a red star",
        "a blue star on black",
        "a star, a circle and a ring",
    ):
        assert not consistent(parse(false, "image"), PICTURE), false
    assert not consistent(parse("", "image"), PICTURE)


TABLES = (lexicon.SHAPES, lexicon.COLORS, lexicon.RELATIONS, lexicon.PLACES, lexicon.TIMBRES, lexicon.MOTIONS)
WORDS = [way for table in TABLES for ways in table.values() for way in ways]
WORDS += ["a", "it", "after", "on", "twice", "two", ",", "is", "black"]


@given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)))
def test_any_text_can_be_read_and_scored(text):
    for scene in (PICTURE, CLIP, SOUND):
        assert isinstance(parse(text, scene.modality), Factors)
        assert 0 <= accuracy(text, scene) <= 1
