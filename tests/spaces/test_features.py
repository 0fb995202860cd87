"""A space reuses the features that its frozen towers computed while it was connected."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from c3_playground.world import World
from c3core import Space, Store, load_items, load_space
from c3core.errors import WrongCall
from c3core.spaces import ConnectRecipe, connect

SENTENCES = [f"a {color} ring" for color in ("red", "green", "blue", "yellow", "white", "black")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six pictures, a table of their captions, and a space that was connected on it."""
    folder = tmp_path_factory.mktemp("connected")
    with open(folder / "train.csv", "w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["image", "caption"])
        for number, (item, sentence) in enumerate(zip(pictures(6), SENTENCES, strict=True)):
            Image.fromarray(item).save(folder / f"{number}.png")
            rows.writerow([f"{number}.png", sentence])
    recipe = ConnectRecipe.model_validate(
        {
            "name": "small",
            "dim": 8,
            "towers": {"text": {"tower": "playground-text"}, "image": {"tower": "playground-image"}},
            "pairs": [{"train": "train.csv"}],
            "training": {"steps": 2, "batch_size": 4, "warmup_steps": 1},
        }
    )
    connect(recipe, folder / "space", folder=folder, quiet=True)
    return folder


def pictures(count: int, split: str = "train") -> list[Any]:
    return [item.data for item in World().items("image", split, count)]


def items_that_towers_see(space: Space) -> list[int]:
    """The numbers of items that go through the towers from now on."""
    seen: list[int] = []
    for modality in space.modalities:
        tower = space.encoder(modality).tower  # type: ignore[attr-defined]
        tower.register_forward_pre_hook(lambda _, batch: seen.append(len(batch[0])))
    return seen


@pytest.mark.parametrize("modality", ["text", "image"])
def test_what_was_connected_on_is_not_computed_again(folder: Path, modality: str) -> None:
    sources = SENTENCES if modality == "text" else [str(folder / f"{k}.png") for k in range(5)]
    space = load_space(folder / "space", features=folder / "space" / "run")
    seen = items_that_towers_see(space)
    found = space.encode(sources, modality)
    assert seen == []
    torch.testing.assert_close(found, load_space(folder / "space").encode(sources, modality))


@pytest.mark.parametrize("wrote", [".", ".."])
def test_a_path_may_be_written_in_another_way(folder: Path, monkeypatch: pytest.MonkeyPatch, wrote: str) -> None:
    """A recipe beside its table and the `train.csv:image` of another folder name the same pictures."""
    monkeypatch.chdir(folder if wrote == "." else folder.parent)
    within = folder.relative_to(Path.cwd())
    space = load_space(folder / "space", features=folder / "space" / "run")
    seen = items_that_towers_see(space)
    space.encode([*load_items("train.csv:image", "image", folder=within)], "image")
    space.encode([f"./{within}/2.png", within / "3.png", folder.parent / "x" / ".." / folder.name / "4.png"], "image")
    assert seen == []


def test_other_sources_are_computed_and_keep_their_place(folder: Path) -> None:
    new = pictures(2, "test")
    sources = [new[0], folder / "3.png", new[1], folder / "0.png"]
    space = load_space(folder / "space", features=folder / "space" / "run")
    seen = items_that_towers_see(space)
    found = space.encode(sources, "image")
    assert seen == [2]
    torch.testing.assert_close(found, load_space(folder / "space").encode(sources, "image"))


def test_a_file_that_was_changed_since_is_computed_again(folder: Path) -> None:
    space = load_space(folder / "space", features=folder / "space" / "run")
    path = folder / "5.png"
    before = space.encode([path], "image")
    stored_at = (folder / "space" / "run" / "train-0" / "image" / "store.json").stat().st_mtime
    Image.fromarray(pictures(1, "test")[0]).save(path)
    os.utime(path, (stored_at + 5, stored_at + 5))
    found = space.encode([path], "image")
    torch.testing.assert_close(found, load_space(folder / "space").encode([path], "image"))
    assert (found - before).abs().max() > 1e-3


def test_features_of_another_tower_are_not_used(folder: Path, tmp_path: Path) -> None:
    paths = [str(folder / f"{k}.png") for k in range(3)]
    features = torch.randn(3, load_space(folder / "space").encoder("image").tower.width)  # type: ignore[attr-defined]
    options = {"space": "features", "modality": "image", "fingerprint": "another", "sources": paths}
    Store.from_embeddings(tmp_path / "train-0" / "image", features, **options)  # type: ignore[arg-type]
    space = load_space(folder / "space", features=tmp_path)
    torch.testing.assert_close(space.encode(paths, "image"), load_space(folder / "space").encode(paths, "image"))


def test_a_folder_without_features_is_a_wrong_call(folder: Path) -> None:
    with pytest.raises(WrongCall, match="no features"):
        load_space(folder / "space", features=folder)
