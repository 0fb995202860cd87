"""`c3 connect` trains towers and heads, resumes, joins a base space, and writes a folder that `load_space` loads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file

from c3_playground.world import World
from c3core import C3Error, load_space
from c3core.errors import CorruptFile, WrongCall
from c3core.spaces import ConnectRecipe, connect, info_nce
from c3core.spaces.dataset import shuffled

TRAINING = {"steps": 4, "batch_size": 8, "warmup_steps": 1, "eval_steps": 2, "save_steps": 2}


def make_recipe(**changes: object) -> ConnectRecipe:
    values = {
        "name": "small",
        "dim": 8,
        "towers": {
            "text": {"tower": "playground-text", "frozen": False},
            "image": {"tower": "playground-image", "frozen": False},
        },
        "head": {"hidden": 16},
        "pairs": [{"train": "playground:image/train/24", "validation": "playground:image/validation/10"}],
        "training": TRAINING,
    }
    return ConnectRecipe.model_validate(values | changes)


def test_the_folder_loads_as_a_space(tmp_path: Path) -> None:
    measured = connect(make_recipe(), tmp_path, quiet=True)
    space = load_space(str(tmp_path))
    assert space.modalities == ("text", "image")
    pictures = [item.data for item in World().items("image", "test", 3)]
    embeddings = space.encode(pictures, "image")
    assert embeddings.shape == (3, 8)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(3), atol=1e-5)
    assert set(measured["image-text"]) == {"x_to_y", "y_to_x", "gap", "pair_cosine", "noise_std"}
    manifest = json.loads((tmp_path / "space.json").read_text())
    assert manifest["measured"]["validation"] == measured
    tower = manifest["encoders"]["text"]["tower"]
    assert tower["frozen"] is False
    assert "ring" in tower["vocabulary"]


def test_the_space_tells_items_that_are_unlike_its_held_out_ones(tmp_path: Path) -> None:
    pairs = [{"train": "playground:image/train/24", "validation": "playground:image/validation/60"}]
    connect(make_recipe(pairs=pairs), tmp_path, quiet=True)
    space = load_space(str(tmp_path))
    assert set(space.familiar) == {"image", "text"}
    own = space.encode([item.data for item in World().items("image", "validation", 60)], "image")
    noise = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    assert abs(float(space.familiar["image"].distances(own).mean())) < 1
    assert float(space.familiar["image"].distances(noise).mean()) > 1
    small = make_recipe(
        pairs=[{**pairs[0], "validation": "playground:image/validation/6"}]
    )  # fewer pictures than dimensions
    connect(small, tmp_path / "small", quiet=True)
    assert set(load_space(str(tmp_path / "small")).familiar) == {"text"}


def test_a_limit_takes_the_first_rows_of_each_table(tmp_path: Path) -> None:
    def measured(count: int, name: str, **changes: object) -> object:
        pairs = [{part: f"playground:image/{part}/{count}/1" for part in ("train", "validation")}]
        return connect(make_recipe(pairs=pairs, **changes), tmp_path / name, quiet=True)

    assert measured(24, "limited", limit=10) == measured(10, "short") != measured(24, "whole")


def test_pairs_find_each_other_after_training(tmp_path: Path) -> None:
    towers = {"text": {"tower": "playground-text"}, "image": {"tower": "playground-image"}}
    pairs = [{"train": "playground:image/train/24", "validation": "playground:image/train/24"}]
    training = {**TRAINING, "steps": 60, "learning_rate": 0.003, "eval_steps": 60}
    measured = connect(make_recipe(towers=towers, pairs=pairs, training=training), tmp_path, quiet=True)["image-text"]
    assert min(measured["x_to_y"], measured["y_to_x"]) > 0.3  # by chance 1/24
    assert measured["pair_cosine"] > 0.5
    space = load_space(str(tmp_path))
    items = World().items("image", "train", 24)
    image = space.encode([item.data for item in items], "image")
    text = space.encode([item.sentences[0] for item in items], "text")
    assert float((image @ text.T).argmax(dim=1).eq(torch.arange(24)).float().mean()) > 0.3


def test_the_best_validated_weights_are_kept(tmp_path: Path) -> None:
    measured = connect(make_recipe(training={**TRAINING, "steps": 6}), tmp_path, quiet=True)["image-text"]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    validations = [line["validation"] for line in lines if "validation" in line]
    assert len(validations) == 3
    assert min(validations) == pytest.approx(1 - (measured["x_to_y"] + measured["y_to_x"]) / 2)


@pytest.mark.parametrize("learned", [True, False])
def test_the_temperature_is_learned_if_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learned: bool
) -> None:
    scales: list[float] = []

    def recording(x: torch.Tensor, y: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        scales.append(float(scale.detach()))
        return info_nce(x, y, scale)

    monkeypatch.setattr("c3core.spaces.contrastive.info_nce", recording)
    connect(make_recipe(temperature=0.1, learn_temperature=learned), tmp_path, quiet=True)
    assert scales[0] == pytest.approx(10.0)
    assert (scales[-1] != scales[0]) == learned


def test_each_table_has_its_own_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    monkeypatch.setattr(
        "c3core.spaces.dataset.shuffled",
        lambda count, run, generator: runs.append(run) or shuffled(count, run, generator),
    )
    pairs = [{"train": "playground:image/train/24", "neighbours": 4}, {"train": "playground:image/train/10"}]
    connect(make_recipe(pairs=pairs, training={**TRAINING, "steps": 1}), tmp_path, quiet=True)
    assert runs[:2] == [4, 1]


TOWER = """
import torch
from c3core import Reader, Tower, hookimpl

@hookimpl
def c3_towers(register):
    register("words", "words_plugin:Words")

class Words(Tower):
    modality, width = "text", 8

    def __init__(self, vocabulary=()):
        super().__init__()
        self.vocabulary = list(vocabulary)
        self.words = torch.nn.EmbeddingBag(100, 8)

    def reader(self):
        return Sentences()

    def prepare(self, items):
        self.vocabulary = list(items)

    def collate(self, items):
        return torch.tensor([[len(item)] for item in items])

    def forward(self, batch):
        return self.words(batch)

    def config(self):
        return {"vocabulary": self.vocabulary}

class Sentences(Reader):
    def read(self, source):
        if not source:
            raise ValueError("empty")
        return source
"""


def test_a_trained_tower_is_prepared_with_the_readable_items_of_its_training_tables(
    tmp_path: Path, install_plugin
) -> None:
    install_plugin("words_plugin", TOWER)
    World().export(tmp_path / "data", "image", "train", 4)
    files = sorted(path.name for path in (tmp_path / "data").rglob("*.png"))
    rows = [f"{name},{text}" for name, text in zip(files, ["a ring", "", "a star", "a box"], strict=True)]
    folder = next((tmp_path / "data").rglob("*.png")).parent
    (folder / "pairs.csv").write_text("\n".join(["image,text", *rows]) + "\n")
    recipe = make_recipe(
        towers={"text": {"tower": "words"}, "image": {"tower": "playground-image"}}, pairs=[{"train": "pairs.csv"}]
    )
    with pytest.warns(UserWarning, match="1 source"):
        connect(recipe, tmp_path / "space", folder=folder, quiet=True)
    manifest = json.loads((tmp_path / "space" / "space.json").read_text())
    assert manifest["encoders"]["text"]["tower"]["vocabulary"] == ["a ring", "a star", "a box"]


def test_the_same_recipe_gives_the_same_weights(tmp_path: Path) -> None:
    connect(make_recipe(), tmp_path / "a", quiet=True)
    connect(make_recipe(), tmp_path / "b", quiet=True)
    for name in ("text.safetensors", "image.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_finished_run_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = connect(make_recipe(), tmp_path, quiet=True)
    monkeypatch.setattr("c3core.spaces.contrastive_trainer.load_tower", lambda *_, **__: pytest.fail("loaded a tower"))
    assert connect(make_recipe(), tmp_path, quiet=True) == measured
    with pytest.raises(WrongCall, match=r"training\.steps was 4"):
        connect(make_recipe(training={**TRAINING, "steps": 5}), tmp_path, quiet=True)


def test_half_precision_halves_the_files(tmp_path: Path) -> None:
    connect(make_recipe(), tmp_path / "whole", quiet=True)
    connect(make_recipe(weights="float16"), tmp_path / "half", quiet=True)
    sizes = [(tmp_path / name / "image.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.7 * sizes[1]


def test_a_changed_weights_file_is_refused(tmp_path: Path) -> None:
    connect(make_recipe(), tmp_path, quiet=True)
    path = tmp_path / "image.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptFile, match=r"image\.safetensors"):
        load_space(str(tmp_path)).encoder("image")
    path.unlink()
    with pytest.raises(CorruptFile, match=r"image\.safetensors"):
        load_space(str(tmp_path)).encoder("image")


def test_a_table_of_files_with_a_broken_one(tmp_path: Path) -> None:
    items = World().items("image", "train", 12)
    with open(tmp_path / "table.csv", "w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["image", "caption"])
        for number, item in enumerate(items):
            Image.fromarray(item.data).save(tmp_path / f"{number}.png")
            rows.writerows([f"{number}.png", sentence] for sentence in item.sentences)
    (tmp_path / "3.png").write_bytes(b"no picture")
    recipe = make_recipe(pairs=[{"train": "table.csv"}])
    with pytest.warns(UserWarning, match=r"1 source\(s\) could not be read.*3\.png"):
        connect(recipe, tmp_path / "space", folder=tmp_path, quiet=True)
    assert load_space(str(tmp_path / "space")).encode([items[0].data], "image").shape == (1, 8)


def test_one_modality_has_a_head_of_its_own_and_a_frozen_tower_is_not_saved(tmp_path: Path) -> None:
    heads = {"image": {"hidden": 12, "parts": 9}}
    towers = {"text": {"tower": "playground-text"}, "image": {"tower": "playground-image"}}
    connect(make_recipe(towers=towers, heads=heads), tmp_path, quiet=True)
    names = load_file(tmp_path / "image.safetensors")
    assert {name.split(".")[0] for name in names} == {"head"}
    assert names["head.parts.places"].shape == (9, 12)
    assert not [name for name in load_file(tmp_path / "text.safetensors") if "parts" in name or "tower" in name]
    space = load_space(str(tmp_path))
    assert space.encode([item.data for item in World().items("image", "test", 3)], "image").shape == (3, 8)


def small_space(folder: Path) -> Path:
    connect(make_recipe(), folder, quiet=True)
    return folder


def joined(**changes: object) -> ConnectRecipe:
    """A recipe by which sounds join the space `first` over its sentences."""
    towers = {"audio": {"tower": "playground-audio", "stages": [8, 8, 8, 8]}}
    pairs = [{"train": "playground:audio/train/16", "validation": "playground:audio/validation/10"}]
    return make_recipe(**{"base_space": "first", "towers": towers, "pairs": pairs} | changes)


def test_a_modality_joins_a_base_space_which_does_not_change(tmp_path: Path) -> None:
    first = small_space(tmp_path / "first")
    measured = connect(joined(), tmp_path / "second", folder=tmp_path, quiet=True)
    assert list(measured) == ["audio-text"]
    for name in ("text", "image"):
        assert (tmp_path / f"second/{name}.safetensors").read_bytes() == (first / f"{name}.safetensors").read_bytes()
    old, new = load_space(str(first)), load_space(str(tmp_path / "second"))
    assert new.modalities == ("text", "image", "audio")
    assert old.encoder("text").fingerprint == new.encoder("text").fingerprint  # its stores remain valid
    assert torch.equal(old.encode(["a red ring"], "text"), new.encode(["a red ring"], "text"))
    assert new.encode([item.data for item in World().items("audio", "test", 2)], "audio").shape == (2, 8)


def test_only_new_encoders_get_a_gradient_and_frozen_ones_give_their_own_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_space(str(small_space(tmp_path / "first")))
    frozen: list[torch.Tensor] = []

    def recording(x: torch.Tensor, y: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        assert x.requires_grad  # the sounds: there are fewer of them than sentences
        assert not y.requires_grad
        frozen.append(y)
        return info_nce(x, y, scale)

    monkeypatch.setattr("c3core.spaces.contrastive.info_nce", recording)
    connect(joined(), tmp_path / "second", folder=tmp_path, quiet=True)
    sentences = [sentence for item in World().items("audio", "train", 16) for sentence in item.sentences]
    known = first.encode(sentences, "text")
    assert len(frozen) == TRAINING["steps"]
    for batch in frozen:
        nearest, _ = (batch @ known.T).max(dim=1)
        assert torch.allclose(nearest, torch.ones(len(batch)), atol=1e-3)  # float16 in the store


def test_a_modality_of_the_base_space_gets_another_encoder(tmp_path: Path) -> None:
    first = load_space(str(small_space(tmp_path / "first")))
    recipe = joined(towers={"text": {"tower": "playground-text"}}, pairs=[{"train": "playground:image/train/24"}])
    connect(recipe, tmp_path / "second", folder=tmp_path, quiet=True)
    second = load_space(str(tmp_path / "second"))
    assert second.modalities == first.modalities
    assert second.encoder("image").fingerprint == first.encoder("image").fingerprint
    assert second.encoder("text").fingerprint != first.encoder("text").fingerprint


TEXT, IMAGE, VIDEO = ({"tower": f"playground-{modality}"} for modality in ("text", "image", "video"))
IMAGES = {"train": "playground:image/train/24"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_space(tmp_path_factory.mktemp("base") / "first").parent


@pytest.mark.parametrize(
    ("changes", "out", "match"),
    [
        ({"dim": 16}, "second", "Write dim: 8"),
        ({}, "first", "base space itself"),
        ({"base_space": "no"}, "second", "not a folder that `c3 connect` wrote"),
        ({"towers": {"text": TEXT, "image": IMAGE}, "pairs": [IMAGES]}, "second", "replace every encoder"),
        ({"pairs": [{"train": "playground:audio/train/16"}, IMAGES]}, "second", "image and text trains nothing"),
    ],
)
def test_a_base_space_that_does_not_fit_is_refused_before_training(
    base: Path, changes: dict[str, object], out: str, match: str
) -> None:
    with pytest.raises(WrongCall, match=match):
        connect(joined(**changes), base / out, folder=base, quiet=True)
    assert not (base / "second" / "run").exists()


def test_a_damaged_base_space_is_refused_before_training(tmp_path: Path) -> None:
    weights = small_space(tmp_path / "first") / "image.safetensors"  # in no table, but it would be copied
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CorruptFile):
        connect(joined(), tmp_path / "second", folder=tmp_path, quiet=True)
    assert not (tmp_path / "second" / "run").exists()


def test_a_recipe_without_enough_towers_is_refused() -> None:
    with pytest.raises(ValidationError, match="base_space"):
        joined(base_space=None)
    with pytest.raises(ValidationError, match="audio"):
        make_recipe(heads={"audio": {}})


@pytest.mark.parametrize(
    "changes",
    [
        {"towers": {"text": TEXT, "image": {"tower": "playground-imag"}}},
        {"towers": {"text": TEXT, "image": VIDEO}},
        {"pairs": [{"train": "playground:audio/train/4"}]},
        {"pairs": [{"train": "playground:image"}]},
        {"heads": {"image": {"hidden": 8, "parts": 7}}},
        {"towers": {"text": TEXT, "image": IMAGE, "video": VIDEO}},
        {"training": {**TRAINING, "batch_size": 1}},
    ],
    ids=["unknown tower", "another modality", "columns", "table", "parts", "no table", "batch size"],
)
def test_a_wrong_recipe_is_a_wrong_call(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(WrongCall):
        connect(make_recipe(**changes), tmp_path, quiet=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stages", [5, [8, 8, 15]])
def test_a_tower_that_torch_cannot_build_is_named(tmp_path: Path, stages: object) -> None:
    with pytest.raises(C3Error, match="playground-video"):
        connect(make_recipe(towers={"text": TEXT, "video": {**VIDEO, "stages": stages}}), tmp_path, quiet=True)


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(C3Error):
        connect(make_recipe(), tmp_path / "file", quiet=True)


def test_a_run_resumes_only_on_the_same_pairs(tmp_path: Path) -> None:
    World().export(tmp_path / "data", "image", "train", 12)
    recipe = make_recipe(pairs=[{"train": "data/table.csv"}], training={**TRAINING, "batch_size": 4})
    connect(recipe, tmp_path / "out", folder=tmp_path, quiet=True)
    connect(recipe, tmp_path / "out", folder=tmp_path, quiet=True)
    table = tmp_path / "data" / "table.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-5]) + "\n")
    with pytest.raises(WrongCall):
        connect(recipe, tmp_path / "out", folder=tmp_path, quiet=True)


def test_two_tables_of_the_same_modalities_are_measured_apart(tmp_path: Path) -> None:
    pairs = [{"train": "playground:image/train/24", "validation": f"playground:image/validation/{n}"} for n in (10, 12)]
    measured = connect(make_recipe(pairs=pairs, training={**TRAINING, "steps": 2}), tmp_path, quiet=True)
    assert list(measured) == ["image-text", "image-text (2)"]


def test_a_root_is_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with open(tmp_path / "pairs.csv", "w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["image", "caption"])
        for k, item in enumerate(World().items("image", "train", 16)):
            Image.fromarray(item.data).save(tmp_path / "photos" / f"{k}.png")
            rows.writerow([f"{k}.png", item.sentences[0]])
    pairs = [{"train": "pairs.csv", "validation": "pairs.csv"}]
    recipe = make_recipe(pairs=pairs, root="photos", training={**TRAINING, "steps": 1})
    assert "image-text" in connect(recipe, tmp_path / "space", folder=tmp_path, quiet=True)
