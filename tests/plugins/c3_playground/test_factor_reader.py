"""Reading factors off pictures: right on true ones, and what a score of them counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from c3_playground.painters import factor_reader
from c3_playground.painters.factor_reader import (
    factor_accuracy,
    factor_score,
    inception_score,
    load_reader,
    probabilities,
    read,
)
from c3_playground.towers.places import PlacesNet
from c3_playground.world import PictureScene, World
from c3_playground.world.scenes import Thing
from c3core import C3Error


@pytest.fixture(scope="module")
def reader() -> factor_reader.FactorReader:
    return load_reader()


def scene(*things: tuple[str, str, str]) -> PictureScene:
    return PictureScene(tuple(Thing(shape, colour, None, place) for shape, colour, place in things), "")


def test_the_shipped_reader_reads_unseen_true_pictures(reader: factor_reader.FactorReader) -> None:
    items = World().items("image", "test", 300, start=5000)
    found = read(reader, [item.data for item in items])
    same = [
        {(t.shape, t.colour, t.place) for t in seen.things} == {(t.shape, t.colour, t.place) for t in item.scene.things}
        for seen, item in zip(found, items, strict=True)
    ]
    assert np.mean(same) >= 0.98
    sentences = [item.sentences[0] for item in items]
    assert factor_accuracy(reader, sentences, [item.data for item in items])["mean"] >= 0.99
    shuffled = factor_accuracy(reader, sentences[1:] + sentences[:1], [item.data for item in items])
    assert shuffled["mean"] <= 0.6


@pytest.mark.parametrize(
    ("sentence", "seen", "expected"),
    [
        ("a red circle", scene(("circle", "red", "top")), {"shape": (1, 1), "colour": (1, 1), "place": (0, 0)}),
        ("a red circle", scene(), {"shape": (0, 1), "colour": (0, 1), "place": (0, 0)}),
        (
            "a red circle at the top",
            scene(("circle", "blue", "left")),
            {"shape": (1, 1), "colour": (0, 1), "place": (0, 1)},
        ),
        (
            "a blue star and a red circle",
            scene(("circle", "red", "top"), ("star", "blue", "left")),
            {"shape": (2, 2), "colour": (2, 2), "place": (0, 0)},
        ),
        (
            "a red circle above a blue star",
            scene(("circle", "red", "bottom"), ("star", "blue", "top")),
            {"shape": (2, 2), "colour": (2, 2), "place": (0, 1)},
        ),
    ],
)
def test_a_score_counts_what_the_sentence_states(
    sentence: str, seen: PictureScene, expected: dict[str, tuple[int, int]]
) -> None:
    assert factor_score(sentence, seen) == expected


def test_an_object_more_than_stated_costs_exactness_alone(reader: factor_reader.FactorReader) -> None:
    pair = next(item for item in World().items("image", "test", 50) if len(item.scene.things) == 2)
    first, second = (f"a {thing.colour} {thing.shape} at the {thing.place}" for thing in pair.scene.things)
    for sentence, exact in ((f"{first} and {second}", 1.0), (first, 0.0), (f"{first}, {second} and {second}", 0.0)):
        found = factor_accuracy(reader, [sentence], [pair.data])
        assert (found["exact"], found["objects"]) == (exact, 2.0)
    assert factor_accuracy(reader, [first], [pair.data])["mean"] == 1.0


def test_the_inception_score_is_high_for_clear_and_varied_pictures_alone(reader: factor_reader.FactorReader) -> None:
    pictures = [item.data for item in World().items("image", "test", 400)]
    assert inception_score(reader, pictures) > 40
    assert inception_score(reader, [pictures[0]] * 20) == pytest.approx(1.0, abs=1e-4)


def test_probabilities_do_not_depend_on_the_batch(reader: factor_reader.FactorReader) -> None:
    pictures = [item.data for item in World().items("image", "test", 130)]
    shapes, colours = probabilities(reader, pictures)
    alone = probabilities(reader, pictures[128:])
    torch.testing.assert_close((shapes[128:], colours[128:]), alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(shapes.sum(-1), torch.ones(130, 9))


def test_another_seed_does_not_go_on_with_a_network(tmp_path: Path) -> None:
    factor_reader.main(tmp_path, seed=0, steps=2, size=8, tested=5)
    with pytest.raises(C3Error):
        factor_reader.main(tmp_path, seed=1, steps=2, size=8, tested=5)


def test_judge_and_tower_are_different_networks(reader: factor_reader.FactorReader) -> None:
    tower = load_file(factor_reader.TRUNK)
    assert tower.keys() == reader.net.state_dict().keys()
    assert not any(torch.equal(value.float(), reader.net.state_dict()[name]) for name, value in tower.items())


def test_it_is_trained_by_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factor_reader.main(tmp_path, steps=3, size=8, tested=50)
    assert (tmp_path / "factor_reader.safetensors").stat().st_size == factor_reader.WEIGHTS.stat().st_size
    assert "inception score" in capsys.readouterr().out
    PlacesNet().load_state_dict(load_file(tmp_path / "places.safetensors"))
