"""The network that reads factors off pictures: right on true ones, and not the image tower's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from c3_playground.painters.factor_network import FactorReader, load_reader
from c3_playground.painters.factor_score import factor_accuracy
from c3_playground.towers.places import TRUNK
from c3_playground.world import World


@pytest.fixture(scope="module")
def reader() -> FactorReader:
    return load_reader()


def test_the_shipped_reader_reads_unseen_true_pictures(reader: FactorReader) -> None:
    items = World().items("image", "test", 300, start=5000)
    found = reader.scenes([item.data for item in items])
    same = [
        {(t.shape, t.color, t.place) for t in seen.things} == {(t.shape, t.color, t.place) for t in item.scene.things}
        for seen, item in zip(found, items, strict=True)
    ]
    assert np.mean(same) >= 0.98
    sentences = [item.sentences[0] for item in items]
    assert factor_accuracy(reader, sentences, [item.data for item in items])["mean"] >= 0.99
    shuffled = factor_accuracy(reader, sentences[1:] + sentences[:1], [item.data for item in items])
    assert shuffled["mean"] <= 0.6


def test_probabilities_do_not_depend_on_the_batch(reader: FactorReader) -> None:
    pictures = [item.data for item in World().items("image", "test", 130)]
    shapes, colors = reader.probabilities(pictures)
    alone = reader.probabilities(pictures[128:])
    torch.testing.assert_close((shapes[128:], colors[128:]), alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(shapes.sum(-1), torch.ones(130, 9))


def test_the_reader_and_the_image_tower_are_different_networks(reader: FactorReader) -> None:
    tower = load_file(TRUNK)
    assert tower.keys() == reader.net.state_dict().keys()
    assert not any(torch.equal(value.float(), reader.net.state_dict()[name]) for name, value in tower.items())
