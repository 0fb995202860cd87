"""`~` is the home folder wherever a path comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from c3core import Pipeline, load_bridge, load_decoder, load_items, load_pipeline, load_space, load_table
from c3core.cli import app
from c3core.experiments.recipe import FitRecipe, read_recipe
from c3core.io import atomic_write, make_folder, working_folder
from c3core.media.image import ImageReader
from c3core.spaces.recipe import ConnectRecipe
from c3core.statistics import measure_geometry, plot_geometry
from c3core.store import Store
from tests.helpers.command_line import c3
from tests.helpers.pairs import unit_pairs
from tests.helpers.spaces import DECODER, TRAINING, write_space


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "home"
    assert not list(Path().glob("**/~*"))


def test_files_and_folders_that_are_written(home: Path) -> None:
    make_folder("~/folder")
    with atomic_write("~/folder/a.txt") as temporary:
        temporary.touch()
    assert (home / "folder" / "a.txt").is_file()
    with working_folder("~/work") as folder:
        assert folder == home / "work"


def test_stores_and_embeddings(home: Path) -> None:
    x, y = unit_pairs(400)
    store = Store.from_embeddings("~/store", x, space="s", modality="text", fingerprint="f")
    assert torch.equal(Store.open("~/store").embeddings(), store.embeddings())
    np.save(home / "y.npy", y.numpy())
    plot_geometry(measure_geometry(store, y), "~/plots")
    assert (home / "plots" / "geometry.png").is_file()
    done = c3("geometry", "~/store", "~/y.npy", "--out=~/more")
    assert done.returncode == 0, done.stderr
    assert (home / "more" / "geometry.png").is_file()


def test_inputs_lists_and_tables(home: Path) -> None:
    (home / "photos").mkdir()
    photo = str(home / "photos" / "a.png")
    Image.new("RGB", (40, 30)).save(photo)
    (home / "list.txt").write_text("~/photos/a.png\n")
    Path("table.csv").write_text("image,caption\n~/photos/a.png,a photo\n")
    for name in ("~/photos", "~/photos/*.png", "~/list.txt", "~/photos/a.png", "table.csv:image"):
        assert list(load_items(name, "image")) == [photo], name
    Path("relative.txt").write_text("a.png\n")
    assert list(load_items("relative.txt", "image", root="~/photos")) == [photo]
    assert load_table("table.csv").column("image") == [photo]
    Path("table.csv").rename(home / "table.csv")
    assert load_table("~/table.csv").column("image") == [photo]
    assert ImageReader().read("~/photos/a.png").size == (40, 30)


def test_recipes(home: Path) -> None:
    (home / "fit.yaml").write_text(
        "space: ~/space\nitems: {text: ~/a.txt, image: [~/b, c]}\nvalidation: ~/v.txt\nroot: ~/root\n"
        "pairs: {table: ~/t.csv, source: image, target: text}\n"
    )
    recipe = read_recipe("~/fit.yaml", FitRecipe)
    assert recipe.pairs is not None
    named = [recipe.space, recipe.items["text"], *recipe.items["image"], recipe.validation, recipe.pairs.table]
    assert named == [str(home / name) for name in ("space", "a.txt", "b")] + [
        "c",
        str(home / "v.txt"),
        str(home / "t.csv"),
    ]
    assert recipe.root_from(Path("recipes")) == str(home / "root")
    (home / "connect.yaml").write_text(
        "name: s\nbase_space: ~/base\ntowers: {audio: {tower: a}}\npairs: [{train: ~/t.csv}]\n"
    )
    connect = read_recipe("~/connect.yaml", ConnectRecipe)
    assert (connect.base_space, connect.pairs[0].train) == (str(home / "base"), str(home / "t.csv"))


def test_spaces_and_pipelines(home: Path) -> None:
    write_space(home / "space")
    space = load_space("~/space")
    pipeline = Pipeline(space, load_bridge("c1"), load_decoder("gpt2", space=space, **DECODER))
    pipeline.fit({"text": ["a red ring", "a star"] * 20}, training=TRAINING, folder="~/run", quiet=True)
    assert (home / "run" / "embeddings" / "text" / "store.json").is_file()
    pipeline.save_pretrained("~/captioner")
    assert load_pipeline("~/captioner").bridge.name == "c1"
    assert CliRunner().invoke(app, ["info", "~/captioner"]).exit_code == 0
