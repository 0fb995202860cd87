"""Best of several outputs: the one kept is the one that the space sees nearest, worked out here by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from c3_playground.world import World
from c3core import BadItem, C3Error, Pairs, Pipeline, load_bridge, load_decoder, load_space
from c3core.pipeline.best_of import same
from tests.helpers.spaces import TRAINING, fitted, pictures, small_pipeline, write_space

SENTENCES = ["a red star", "a small blue ring left of a green square", "two hearts"]
PAINTER = {"widths": (8, 8), "patch": 1, "size": 8}


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    space = load_space(str(write_space(tmp_path_factory.mktemp("space"))))
    pipeline = Pipeline(space, load_bridge("c3", rescale="none"), load_decoder("diffusion", space=space, **PAINTER))
    items = {"image": pictures(20), "text": World().sentences(60, modality="image")}
    return pipeline.fit(items, training={**TRAINING, "steps": 2}, quiet=True)


def likeness(painter: Pipeline, outputs: Sequence[Any], sentence: str) -> torch.Tensor:
    """In float64: the cosine between the conditions of outputs and that of the sentence."""
    asked = painter.condition(painter.space.encode([sentence], "text"), "text").double()
    seen = painter.condition(painter.space.encode(outputs, "image"), "image").double()
    return (seen @ asked[0]) / seen.norm(dim=1) / asked.norm()


def test_the_nearest_of_all_that_are_drawn_is_kept(painter: Pipeline) -> None:
    """But for one level of 255: three sentences at once are a batch of another size, whose last bits are others."""
    kept = painter.run(SENTENCES, modality="text", seed=3, generation={"steps": 2}, best_of=5)
    generator = torch.Generator().manual_seed(3)
    for sentence, output in zip(SENTENCES, kept, strict=True):
        condition = painter.condition(painter.space.encode([sentence], "text"), "text")
        drawn = painter.decoder.generate(condition.expand(5, -1), {"steps": 2}, generator=generator)
        best = int(likeness(painter, drawn, sentence).argmax())
        kept_levels = np.asarray(output).astype(int)
        assert np.abs(kept_levels - drawn[best]).max() <= 1
        assert any(np.abs(kept_levels - other).max() > 1 for other in drawn)  # five pictures, not one


def test_what_a_painter_keeps_does_not_depend_on_the_batch(painter: Pipeline) -> None:
    """But for the last bits of its arithmetic: one level of 255."""
    kept = [
        np.stack(painter.run(SENTENCES, modality="text", generation={"steps": 2}, best_of=4, batch_size=size)).astype(
            int
        )
        for size in (1, 4, 9, 64)
    ]
    for other in kept[1:]:
        assert np.abs(kept[0] - other).max() <= 1


def test_one_of_one_is_the_plain_output(painter: Pipeline) -> None:
    plain = painter.run(SENTENCES, modality="text", generation={"steps": 2})
    one = painter.run(SENTENCES, modality="text", generation={"steps": 2}, best_of=1)
    assert plain == one


def test_a_bad_source_keeps_its_place(painter: Pipeline) -> None:
    outputs = painter.run(["a star", " ", "a ring"], modality="text", generation={"steps": 1}, best_of=2)
    assert [isinstance(output, BadItem) for output in outputs] == [False, True, False]


def test_captions_too_and_empty_ones_lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in it knows of pictures: sampled captions, of which every second is made empty."""
    captioner = fitted(write_space(tmp_path / "space"))
    generate = captioner.decoder.generate

    def blanked(*args: Any, **kwargs: Any) -> list[Any]:
        return ["" if place % 2 else output or "a star" for place, output in enumerate(generate(*args, **kwargs))]

    monkeypatch.setattr(captioner.decoder, "generate", blanked)
    sampled = captioner.run(pictures(4), modality="image", generation={"do_sample": True}, best_of=4)
    assert len(sampled) == 4
    assert all(str(caption).strip() for caption in sampled)


def test_where_nothing_is_drawn_by_chance_that_is_said(painter: Pipeline) -> None:
    with pytest.warns(UserWarning, match="best_of made the same output 3 times"):
        painter.run(SENTENCES, modality="text", generation={"steps": 1, "noise": "shared"}, best_of=3)


def test_a_bridge_without_the_outputs_modality_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A captioner of pairs alone knows the statistics of pictures and none of captions."""
    captioner = small_pipeline(load_space(str(write_space(tmp_path / "space"))))
    pairs = Pairs(pictures(12), "image", World().sentences(12, modality="image"))
    captioner.fit(pairs=pairs, training={**TRAINING, "steps": 2}, quiet=True)
    monkeypatch.setattr(captioner.decoder, "generate", lambda *_, **__: pytest.fail("it was made"))
    with pytest.raises(C3Error, match="the bridge knows no text"):
        captioner.run(pictures(2), modality="image", best_of=2)


def test_two_outputs_that_happen_to_be_the_same_are_no_reason_to_warn(
    painter: Pipeline, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    one, other = (np.full((8, 8, 3), level, np.uint8) for level in (0, 255))
    monkeypatch.setattr(painter.decoder, "generate", lambda *_, **__: [one, one, other])
    painter.run(SENTENCES[:1], modality="text", best_of=3)
    assert not [warning for warning in recwarn if "best_of" in str(warning.message)]


@pytest.mark.parametrize("wrong", [0, -5, 2.0, "3"])
@pytest.mark.parametrize("name", ["best_of", "batch_size"])
def test_no_count_is_refused(painter: Pipeline, name: str, wrong: Any) -> None:
    with pytest.raises(C3Error, match=f"{name} must be a whole number of at least 1"):
        painter.run(SENTENCES, modality="text", **{name: wrong})


def test_what_is_the_same_output() -> None:
    assert same("a star", "a star")
    assert not same("a star", "a ring")
    level = np.zeros((2, 2, 3), np.uint8)
    for kind in (np.asarray, torch.from_numpy):
        assert same(kind(level), kind(level.copy()))
        assert not same(kind(level), kind(level + 1))
    assert type(same("a", "a")) is bool
