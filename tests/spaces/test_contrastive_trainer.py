"""`c3 connect`: trained and frozen towers, resumable, into a folder that `load_space` loads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file

from c3_playground.world import World
from c3core import C3Error, load_space
from c3core.contracts import Reader
from c3core.contracts.tower import Tower
from c3core.data.tables import Table
from c3core.media.text import TextReader
from c3core.registry.factory import load_tower
from c3core.spaces.contrastive import info_nce
from c3core.spaces.contrastive_trainer import _prepare, _shuffled, connect
from c3core.spaces.dataset import ColumnDataset, PairDataset
from c3core.spaces.recipe import ConnectRecipe

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
    assert "ring" in tower["vocabulary"]  # beside the weights that are for it


def test_the_same_recipe_gives_the_same_weights_and_a_done_run_is_not_done_again(tmp_path: Path) -> None:
    connect(make_recipe(), tmp_path / "a", quiet=True)
    connect(make_recipe(), tmp_path / "b", quiet=True)
    assert (tmp_path / "a/text.safetensors").read_bytes() == (tmp_path / "b/text.safetensors").read_bytes()
    connect(make_recipe(), tmp_path / "a", quiet=True)
    assert (tmp_path / "a/image.safetensors").read_bytes() == (tmp_path / "b/image.safetensors").read_bytes()


def test_half_precision_halves_the_files(tmp_path: Path) -> None:
    connect(make_recipe(), tmp_path / "whole", quiet=True)
    connect(make_recipe(weights="float16"), tmp_path / "half", quiet=True)
    sizes = [(tmp_path / name / "image.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.7 * sizes[1]


def test_a_changed_weights_file_is_refused(tmp_path: Path) -> None:
    connect(make_recipe(), tmp_path, quiet=True)
    path = tmp_path / "image.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(C3Error, match="changed or truncated"):
        load_space(str(tmp_path)).encoder("image")
    path.unlink()
    with pytest.raises(C3Error, match="is missing"):
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


def test_a_frozen_tower_s_features_are_made_once_and_it_is_not_saved(tmp_path: Path) -> None:
    tower = load_tower("playground-image")
    pictures = [item.data for item in World().items("image", "train", 5)]
    column = ColumnDataset(tower, [pictures[0], *pictures], tmp_path, quiet=True)
    assert column.rows == [0, 0, 1, 2, 3, 4]
    reader = tower.reader()
    with torch.no_grad():
        expected = tower(tower.collate([reader(picture) for picture in pictures]))
    assert column.features is not None
    assert torch.allclose(column.features, expected, rtol=1e-4, atol=1e-5)
    assert list(tmp_path.glob("shard-*.parquet"))


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


def test_a_tower_sees_the_items_to_train_on_before_training() -> None:
    class Words(Tower):
        modality, width = "text", 2
        seen: list[str]

        def reader(self) -> Reader:
            return TextReader()

        def prepare(self, items: Iterable[str]) -> None:
            self.seen = list(items)

        def collate(self, items: Sequence[str]) -> torch.Tensor:
            return torch.zeros(len(items), 2)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch

        def config(self) -> dict[str, object]:
            return {}

    tower = Words()
    _prepare({"text": tower}, [Table({"text": ["a ring", "", "a star"]})])
    assert tower.seen == ["a ring", "a star"]


def test_pairs_are_grouped_by_the_side_with_fewer_items() -> None:
    class Rows:
        def __init__(self, rows: list[int]) -> None:
            self.rows = rows

    table = PairDataset(("text", Rows([0, 1, 2, -1])), ("image", Rows([0, 0, 1, 1])))  # type: ignore[arg-type]
    assert table.x[0] == "image"
    assert table.partners == [(0, [0, 1]), (1, [2])]
    x, y = table.draw([0, 1], torch.Generator().manual_seed(0))
    assert x == [0, 1]
    assert y[0] in (0, 1)
    assert y[1] == 2


def small_space(folder: Path) -> Path:
    connect(make_recipe(), folder, quiet=True)
    return folder


def joined(**changes: object) -> ConnectRecipe:
    """A recipe by which sounds join the space `first` over its sentences."""
    towers = {"audio": {"tower": "playground-audio", "stages": [8, 8, 8, 8]}}
    pairs = [{"train": "playground:audio/train/16", "validation": "playground:audio/validation/10"}]
    return make_recipe(**{"start": "first", "towers": towers, "pairs": pairs} | changes)


def test_a_modality_joins_a_space_that_stands_as_it_is(tmp_path: Path) -> None:
    first = small_space(tmp_path / "first")
    measured = connect(joined(), tmp_path / "second", folder=tmp_path, quiet=True)
    assert list(measured) == ["audio-text"]
    for name in ("text", "image"):
        assert (tmp_path / f"second/{name}.safetensors").read_bytes() == (first / f"{name}.safetensors").read_bytes()
    old, new = load_space(str(first)), load_space(str(tmp_path / "second"))
    assert new.modalities == ("text", "image", "audio")
    assert old.encoder("text").fingerprint == new.encoder("text").fingerprint  # its stores and moments stay good
    assert torch.equal(old.encode(["a red ring"], "text"), new.encode(["a red ring"], "text"))
    assert new.encode([item.data for item in World().items("audio", "test", 2)], "audio").shape == (2, 8)


def test_what_a_space_keeps_gets_no_gradient_and_the_others_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss against kept embeddings is that of the encoder's own, which need no gradient."""
    first = load_space(str(small_space(tmp_path / "first")))
    kept: list[torch.Tensor] = []

    def watched(x: torch.Tensor, y: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        assert x.requires_grad  # the sounds, of which there are fewer than sentences
        assert not y.requires_grad
        kept.append(y)
        return info_nce(x, y, scale)

    monkeypatch.setattr("c3core.spaces.contrastive_trainer.info_nce", watched)
    connect(joined(), tmp_path / "second", folder=tmp_path, quiet=True)
    sentences = [sentence for item in World().items("audio", "train", 16) for sentence in item.sentences]
    known = first.encode(sentences, "text")
    assert len(kept) == TRAINING["steps"]
    for batch in kept:
        nearest, _ = (batch @ known.T).max(dim=1)
        assert torch.allclose(nearest, torch.ones(len(batch)), atol=1e-3)  # float16 in the store


def test_a_modality_that_stands_gets_another_encoder(tmp_path: Path) -> None:
    first = load_space(str(small_space(tmp_path / "first")))
    recipe = joined(towers={"text": {"tower": "playground-text"}}, pairs=[{"train": "playground:image/train/24"}])
    connect(recipe, tmp_path / "second", folder=tmp_path, quiet=True)
    second = load_space(str(tmp_path / "second"))
    assert second.modalities == first.modalities
    assert second.encoder("image").fingerprint == first.encoder("image").fingerprint
    assert second.encoder("text").fingerprint != first.encoder("text").fingerprint


def test_spaces_that_cannot_be_joined_are_refused_before_training(tmp_path: Path) -> None:
    first = small_space(tmp_path / "first")

    def refused(match: str, out: str = "second", **changes: object) -> None:
        with pytest.raises(C3Error, match=match):
            connect(joined(**changes), tmp_path / out, folder=tmp_path, quiet=True)
        assert not (tmp_path / "second" / "run").exists()

    refused("has 8 dimensions, not 16. Write dim: 8", dim=16)
    refused("a folder of its own", out="first")
    refused("no folder that `c3 connect` wrote", start="no")
    text, image = {"tower": "playground-text"}, {"tower": "playground-image"}
    refused(
        "nothing of the space", towers={"text": text, "image": image}, pairs=[{"train": "playground:image/train/24"}]
    )
    both = [{"train": "playground:audio/train/16"}, {"train": "playground:image/train/24"}]
    refused("a table of image and text trains nothing", pairs=both)
    with pytest.raises(ValidationError, match="at least two modalities, or a `start`"):
        joined(start=None)
    weights = first / "image.safetensors"  # of no table here, but it would be copied
    weights.write_bytes(weights.read_bytes()[:-1])
    refused("changed or truncated")


def test_wrong_recipes_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="did you mean playground-image"):
        towers = {"text": {"tower": "playground-text"}, "image": {"tower": "playground-imag"}}
        connect(make_recipe(towers=towers), tmp_path, quiet=True)
    with pytest.raises(C3Error, match="not of image"):
        towers = {"text": {"tower": "playground-text"}, "image": {"tower": "playground-video"}}
        connect(make_recipe(towers=towers), tmp_path, quiet=True)
    with pytest.raises(C3Error, match="columns for two"):
        connect(make_recipe(pairs=[{"train": "playground:audio/train/4"}]), tmp_path, quiet=True)
    with pytest.raises(C3Error, match="is written playground:image/train/1000"):
        connect(make_recipe(pairs=[{"train": "playground:image"}]), tmp_path, quiet=True)
    for wrong in ({"stages": 5}, {"stages": [8, 8, 15]}):
        with pytest.raises(C3Error, match="cannot be built"):
            towers = {"text": {"tower": "playground-text"}, "video": {"tower": "playground-video", **wrong}}
            connect(make_recipe(towers=towers), tmp_path, quiet=True)
    with pytest.raises(C3Error, match="features that 7 divides"):
        connect(make_recipe(heads={"image": {"hidden": 8, "parts": 7}}), tmp_path, quiet=True)
    with pytest.raises(ValidationError, match="heads of audio"):
        make_recipe(heads={"audio": {}})
    (tmp_path / "file").touch()
    with pytest.raises(C3Error, match="cannot write to"):
        connect(make_recipe(), tmp_path / "file", quiet=True)

    with pytest.raises(C3Error, match="no table has pairs of video"):
        three = {modality: {"tower": f"playground-{modality}"} for modality in ("text", "image", "video")}
        connect(make_recipe(towers=three), tmp_path / "out", quiet=True)
    with pytest.raises(C3Error, match="at least 2"):
        connect(make_recipe(training={**TRAINING, "batch_size": 1}), tmp_path / "out", quiet=True)


def test_a_run_is_continued_on_the_same_pairs_alone(tmp_path: Path) -> None:
    World().export(tmp_path / "data", "image", "train", 12)
    recipe = make_recipe(pairs=[{"train": "data/table.csv"}], training={**TRAINING, "batch_size": 4})
    connect(recipe, tmp_path / "out", folder=tmp_path, quiet=True)
    connect(recipe, tmp_path / "out", folder=tmp_path, quiet=True)
    table = tmp_path / "data" / "table.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-5]) + "\n")
    with pytest.raises(C3Error, match="another recipe"):
        connect(recipe, tmp_path / "out", folder=tmp_path, quiet=True)


def test_a_small_table_has_small_batches_and_the_other_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(
        "c3core.spaces.contrastive_trainer.info_nce", lambda x, y, scale: sizes.append(len(x)) or info_nce(x, y, scale)
    )
    pairs = [{"train": "playground:image/train/24"}, {"train": "playground:image/train/4"}]
    connect(make_recipe(pairs=pairs), tmp_path, quiet=True)
    assert sorted(sizes) == [4, 8, 8, 8]


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
    recipe = make_recipe(pairs=[{"train": "pairs.csv"}], root="photos", training={**TRAINING, "steps": 1})
    connect(recipe, tmp_path / "space", folder=tmp_path, quiet=True)
    assert (tmp_path / "space" / "space.json").is_file()


@pytest.mark.parametrize(("count", "neighbours"), [(12, 1), (12, 3), (13, 4), (2, 5)])
def test_neighbours_stay_together_and_every_row_comes_once(count: int, neighbours: int) -> None:
    rows = _shuffled(count, neighbours, torch.Generator().manual_seed(3))
    assert sorted(rows) == list(range(count))
    starts = [row for row in rows if row % neighbours == 0]
    assert rows == [row for start in starts for row in range(start, min(start + neighbours, count))]
    if count // neighbours > 2:
        assert rows != sorted(rows)
