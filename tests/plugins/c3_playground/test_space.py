"""The space that ships with the package: it keeps the encoder's contract, and knows its world as its recipe promises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from c3_playground.space import FOLDER
from c3_playground.towers.audio import log_mel, mel_bank
from c3_playground.towers.sentences import SentenceNet, words_of
from c3_playground.world import World
from c3core import Encoder, load_space, load_table
from c3core.errors import WrongCall
from c3core.experiments.recipe import read_recipe
from c3core.metrics.retrieval import retrieval_metrics
from c3core.registry.factory import load_tower
from c3core.spaces.contrastive_trainer import connect
from c3core.spaces.recipe import ConnectRecipe
from c3core.statistics.familiarity import ForeignCheck
from c3core.testing import EncoderContract


class TestTextEncoder(EncoderContract):
    tolerance: ClassVar[float] = 1e-5

    def make(self) -> Encoder:
        return load_space("playground").encoder("text")

    def sources(self) -> list[Any]:
        return World().sentences(5, split="test")

    def bad_source(self) -> Any:
        return ""


class Items(EncoderContract):
    modality: ClassVar[str]

    def make(self) -> Encoder:
        return load_space("playground").encoder(self.modality)

    def sources(self) -> list[Any]:
        return [item.data for item in World().items(self.modality, "test", 5)]

    def bad_source(self) -> Any:
        return "no-such-file"


class TestImageEncoder(Items):
    modality = "image"


class TestRandomImageEncoder(Items):
    modality = "image"

    def make(self) -> Encoder:
        return load_space("playground:random?seed=1").encoder(self.modality)


class TestVideoEncoder(Items):
    modality = "video"


class TestAudioEncoder(Items):
    modality = "audio"


del Items  # a base of tests, not tests


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_unseen_items_find_their_sentence_across_a_gap(modality: str) -> None:
    """On 1,000 unseen items, one sentence each: R@1 of at least 0.8 and a gap of at least 0.3."""
    space, items = load_space("playground"), World().items(modality, "test", 1000)
    x = space.encode([item.data for item in items], modality, batch_size=250)
    y = space.encode([item.sentences[0] for item in items], "text", batch_size=250)
    assert retrieval_metrics(x, y)["x_to_y"]["r1"] >= 0.8
    assert float((x.mean(0) - y.mean(0)).norm()) >= 0.3


def test_the_weights_are_small() -> None:
    towers = FOLDER.parent / "towers"
    assert sum(path.stat().st_size for folder in (FOLDER, towers) for path in folder.glob("*.safetensors")) <= 6e6


def test_files_and_arrays_give_the_same_embedding(tmp_path: Path) -> None:
    space, world = load_space("playground"), World()
    for modality, tolerance in (("image", 1e-6), ("audio", 1e-3), ("video", 1e-3)):  # sounds are written with 16 bits
        table = world.export(tmp_path / modality, modality, "test", 2)
        names = [line.split(",")[0] for line in table.read_text().splitlines()[1::5]]
        from_files = space.encode([str(table.parent / name) for name in names], modality)
        from_arrays = space.encode([item.data for item in world.items(modality, "test", 2)], modality)
        assert torch.allclose(from_files, from_arrays, atol=tolerance), modality


def test_the_space_takes_no_argument() -> None:
    with pytest.raises(WrongCall, match="takes no argument"):
        load_space("playground:large")


def test_a_pure_tone_lights_the_mel_band_of_its_frequency() -> None:
    time = np.arange(32_000) / 16_000
    for hertz in (200.0, 1000.0, 4000.0):
        picture = log_mel(np.sin(2 * np.pi * hertz * time).astype(np.float32))
        assert picture.shape == (64, 64)
        band = int(picture[:, :60].mean(axis=1).argmax())
        centres = np.linspace(0, 8000, 257)[mel_bank().argmax(axis=1)]
        assert abs(centres[band] - hertz) < 0.1 * hertz + 32


def test_words_that_are_not_in_the_vocabulary_still_count() -> None:
    batch = SentenceNet(["red"], hidden=8, layers=1).ids(["red zebra", "red"])
    assert batch.shape == (2, 2)
    assert batch[0, 1] > 0
    assert batch[1, 1] == 0
    assert words_of("Don't PANIC, 2 rings!") == ["don't", "panic", "2", "rings"]


def test_a_text_tower_that_is_trained_further_has_its_own_words_and_identity() -> None:
    tower = load_tower("playground-text", frozen=False, vocabulary=["red", "ring"])
    assert tower.config() == {"frozen": False, "vocabulary": ["red", "ring"]}
    assert tower.net.words.weight.shape[0] == 1 + 32 + 2
    assert tower.identity() != load_tower("playground-text", frozen=False).identity()
    assert load_tower("playground-text").config() == {"frozen": True}


def test_padding_changes_nothing() -> None:
    tower = load_tower("playground-text")
    with torch.no_grad():
        alone = tower(tower.collate(["a red ring"]))
        beside = tower(tower.collate(["a red ring", "a red ring a red ring a red ring"]))[:1]
    assert torch.allclose(alone, beside, atol=1e-5)


def recipes() -> list[ConnectRecipe]:
    """Those of the shipped space, in their order: the second starts from what the first makes."""
    return [read_recipe(FOLDER.parent / f"{name}.yaml", ConnectRecipe) for name in ("connect", "connect_text")]


def test_the_recipes_are_those_of_the_shipped_space() -> None:
    about, (first, second) = json.loads((FOLDER / "space.json").read_text()), recipes()
    assert (first.base_space, second.base_space) == (None, "first")
    assert about["trained_on"] == [pairs.train for pairs in (*first.pairs, *second.pairs)]
    assert about["measured"]["steps"] == second.training.steps
    for modality, encoder in about["encoders"].items():
        recipe = second if modality in second.towers else first
        assert encoder["head"] == recipe.head_of(modality).model_dump()
        assert encoder["tower"]["tower"] == recipe.towers[modality].tower


@pytest.mark.slow
def test_the_recipes_give_a_space_as_good_as_the_one_that_ships(tmp_path: Path) -> None:
    first, second = recipes()
    connect(first, tmp_path / "first", quiet=True)
    measured = connect(second, tmp_path / "space", folder=tmp_path, quiet=True)
    assert set(measured) == {"image-text", "video-text", "audio-text"}
    for figures in measured.values():
        assert figures["x_to_y"] >= 0.85
        assert figures["gap"] >= 0.5


def test_the_random_space_has_the_networks_of_the_trained_one_with_weights_of_its_seed():
    trained, sentences = load_space("playground"), World().sentences(5, split="test")
    one, same, other = (load_space(f"playground:random{seed}") for seed in ("", "?seed=0", "?seed=1"))
    assert one.modalities == trained.modalities
    for modality in trained.modalities:
        shapes, expected = (
            [
                tuple(weights.shape)
                for module in space.encoder(modality).torch_modules()
                for weights in module.parameters()
            ]
            for space in (one, trained)
        )
        assert shapes == expected
    embeddings = one.encode(sentences, "text")
    assert torch.equal(embeddings, same.encode(sentences, "text"))
    assert not torch.allclose(embeddings, other.encode(sentences, "text"), atol=0.1)
    assert one.encoder("text").fingerprint != other.encoder("text").fingerprint


def test_the_space_tells_pictures_and_sounds_that_are_unlike_its_world() -> None:
    """Noise and gradients are no pictures of the world."""
    space, world, rng = load_space("playground"), World(), np.random.default_rng(0)
    assert set(space.familiar) == {"image", "video", "audio"}
    shades = np.linspace(0, 255, 32).astype(np.uint8)
    foreign = {
        "image": [
            np.stack([np.roll(shades, k)[:, None] + rng.integers(0, 60, (32, 32))] * 3, axis=-1).astype(np.uint8)
            for k in range(20)
        ],
        "audio": [(0.3 * rng.standard_normal(16000 * 2).astype(np.float32), 16000) for _ in range(20)],
    }
    for modality, items in foreign.items():
        own = space.encode([item.data for item in world.items(modality, "test", 40)], modality)
        assert not ForeignCheck(space.familiar[modality]).add(own).found
        assert ForeignCheck(space.familiar[modality]).add(space.encode(items, modality)).found


def test_one_item_that_is_unlike_the_world_is_told() -> None:
    photo = load_table("photos:samples").column("image")[0]
    space, world, rng = load_space("playground"), World(), np.random.default_rng(0)
    silent = np.zeros(16000, dtype=np.float32)
    loud = rng.standard_normal(32000).astype(np.float32)
    film = np.stack([np.asarray(Image.open(photo))] * 8)
    foreign = {
        "text": ["two dogs play in the snow", "Draw a red ring"],
        "image": [photo],
        "video": [film],
        "audio": [silent, loud],
    }
    told = {
        "text": ["it has the unknown words dogs, play, snow", "it has the unknown word draw"],
        "image": [r"it is no picture of plain shapes \(its 3 main colors cover \d\d%\)"],
        "video": [r"it is no picture of plain shapes \(its 3 main colors cover \d\d%\)"],
        "audio": [
            "its quiet parts are too silent for the noise behind the world's sounds",
            "its quiet parts are too loud for the noise behind the world's sounds",
        ],
    }
    for modality, items in foreign.items():
        own = [item.data for item in world.items(modality, "test", 30)] if modality != "text" else world.sentences(30)
        (known,) = space.encoder(modality).encode_batches(own, batch_size=30)
        assert known.unlike == {}
        (found,) = space.encoder(modality).encode_batches([own[0], *items])
        assert [*found.unlike] == [*range(1, 1 + len(items))]
        for why, pattern in zip(found.unlike.values(), told[modality], strict=True):
            assert re.fullmatch(pattern, why)
