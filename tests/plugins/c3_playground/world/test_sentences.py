from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3_playground.world import accuracy, consistent, parse
from c3_playground.world.drawing import DRAW
from c3_playground.world.language import lexicon
from c3_playground.world.language.sentences import sentences

MODALITIES = ("image", "video", "audio")


def drawn(modality, n, seed=1):
    rng = Random(seed)
    scenes = [DRAW[modality](rng) for _ in range(n)]
    return scenes, [sentences(scene, rng) for scene in scenes]


@pytest.mark.parametrize("modality", MODALITIES)
@given(seed=st.integers(min_value=0))
def test_sentences_are_true(modality, seed):
    rng = Random(seed)
    scene = DRAW[modality](rng)
    for sentence in sentences(scene, rng):
        assert consistent(parse(sentence, modality), scene), sentence


@pytest.mark.parametrize("modality", MODALITIES)
@given(seed=st.integers(min_value=0))
def test_complete_sentences_score_one(modality, seed):
    rng = Random(seed)
    scene = DRAW[modality](rng)
    for sentence in sentences(scene, rng, complete=True):
        assert accuracy(sentence, scene) == 1.0, sentence


def test_complete_sentences_state_every_factor():
    for modality, names in (
        ("image", {"shape", "color", "size", "place"}),
        ("audio", {"timbre", "count", "loudness"}),
    ):
        rng = Random(2)
        for _ in range(200):
            scene = DRAW[modality](rng)
            factors = parse(sentences(scene, rng, 1, complete=True)[0], modality)
            assert len(factors.parts) == len(scene.parts)
            assert all(names <= part.keys() for part in factors.parts)
            assert factors.background == scene.background


@pytest.mark.parametrize("modality", MODALITIES)
def test_sentences_vary(modality):
    _, written = drawn(modality, 1000)
    flat = [sentence for five in written for sentence in five]
    assert len(flat) == 5000
    assert len(set(flat)) > 4800
    assert len({word for sentence in flat for word in sentence.split()}) > 100
    assert all(len(set(five)) == 5 for five in written[:200])
    assert 9 < sum(len(sentence.split()) for sentence in flat) / 5000 < 20


@pytest.mark.parametrize("modality", MODALITIES)
def test_sentences_leave_out_few_main_factors_and_identify_most_scenes(modality):
    scenes, written = drawn(modality, 1000)
    scores = [accuracy(sentence, scene) for scene, five in zip(scenes, written, strict=True) for sentence in five]
    assert 0.96 < sum(scores) / len(scores) < 1
    stated = [parse(five[0], modality) for five in written[:250]]
    unique = sum(sum(consistent(factors, scene) for scene in scenes) == 1 for factors in stated) / 250
    assert 0.6 < unique < 0.95


@pytest.mark.parametrize("modality", MODALITIES)
def test_sentences_are_written_tidily(modality):
    _, written = drawn(modality, 400)
    for sentence in (sentence for five in written for sentence in five):
        assert re.fullmatch(r"[a-z]+(?:[-' ,]| ?, ?|[a-z])*[a-z]", sentence), sentence
        assert "  " not in sentence
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|\bthere is (?:two|three|four)\b", sentence), sentence


def test_every_way_to_say_a_value_is_used():
    flat = " . ".join(s for modality in MODALITIES for five in drawn(modality, 700)[1] for s in five)
    tables = (lexicon.SHAPES, lexicon.COLORS, lexicon.SIZES, lexicon.BACKGROUNDS, lexicon.PLACES, lexicon.RELATIONS)
    tables += (lexicon.MOTIONS, lexicon.MOTION_PARTICIPLES, lexicon.MOTION_ADJECTIVES, lexicon.TIMBRES)
    tables += (lexicon.TIMBRE_PLURALS, lexicon.PITCHES, lexicon.CONTOURS, lexicon.CONTOUR_PARTICIPLES)
    tables += (lexicon.CONTOUR_CLAUSES, lexicon.LOUDNESSES, lexicon.SOUND_BACKGROUNDS)
    for table in tables:
        for ways in table.values():
            for way in ways:
                assert re.search(rf"\b{way}\b", flat), way


def test_the_same_generator_gives_the_same_sentences():
    assert drawn("image", 20) == drawn("image", 20)
