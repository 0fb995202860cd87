"""What users print: a few lines that say what a thing is, never all that is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import c3core
from c3core import Pairs, Pipeline, Table, load_bridge, load_decoder, load_space, load_tower
from c3core.contracts import Encoded
from c3core.data import load_items
from c3core.store import Store

PICTURES = [np.zeros((32, 32, 3), np.uint8) for _ in range(100)]
LONGEST = 200  # characters


@pytest.fixture(scope="module")
def painter() -> Pipeline:
    return c3core.load_pipeline("playground/painter-stylegan")


def test_a_pipeline_says_what_goes_in_and_out(painter: Pipeline) -> None:
    bridge = load_bridge("c3", noise_std=0.045)
    captioner = Pipeline(painter.space, bridge, load_decoder("gpt2", space=painter.space, model="fresh"))
    assert repr(captioner) == "Pipeline(playground → c3(noise_std=0.045) → gpt2, not fitted)"
    bridge.fit({"text": torch.eye(256), "image": torch.eye(256)}, target="text")
    assert repr(captioner) == "Pipeline(playground → c3(noise_std=0.045) → gpt2, takes text, image)"


def test_parts_and_data_are_a_line(painter: Pipeline, tmp_path: Path) -> None:
    store = Store.from_embeddings(tmp_path / "store", torch.eye(50), space="s", modality="text", fingerprint="f")
    (tmp_path / "list.txt").write_text("a sentence\n" * 1000)
    things: list[Any] = [
        painter.space,
        painter.encoder("text"),
        painter.decoder,
        *painter.decoder.objectives(),
        painter.bridge,
        load_tower("playground-image"),
        store,
        store.moments(),
        Table({"image": PICTURES, "text": ["a"] * 100}),
        Pairs(PICTURES, "image", ["a"] * 100),
        load_items(tmp_path / "list.txt", "text"),
        Encoded([*range(1000)], torch.eye(1000), torch.ones(1000), [], "text", "f"),
        c3core.TrainingOptions(),
    ]
    for thing in things:
        assert len(repr(thing)) < (LONGEST if not isinstance(thing, c3core.TrainingOptions) else 600), repr(thing)
        assert "\n" not in repr(thing)
        assert type(thing).__name__ in repr(thing)


def test_an_evaluation_prints_its_scores_and_none_of_its_inputs(painter: Pipeline) -> None:
    found = c3core.evaluate(painter, c3core.load_table("playground:image/test/100/1"))
    lines = repr(found).splitlines()
    assert lines[0] == "Evaluation of 100 items"
    assert [line.split()[0] for line in lines[1:4]] == ["r1", "fid", "kid_mean"]
    assert len(repr(found)) < 600
    assert repr(found) == str(found)


def test_a_space_is_named_by_what_loads_it() -> None:
    assert repr(load_space("playground")) == "Space(playground, dim=256, takes text, image, video, audio)"
