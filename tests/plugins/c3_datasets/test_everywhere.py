"""The tables go wherever a table or one of its columns goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from c3core import Store, load_items, load_table
from c3core.testing import PluginContract
from tests.helpers.command_line import c3, fails
from tests.helpers.miniatures import write_clotho, write_karpathy, write_msrvtt, write_videos
from tests.helpers.spaces import DECODER

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # the miniatures hold items without captions
TRAINING = {"steps": 2, "batch_size": 2, "warmup_steps": 0}
TRAIN, VAL, TEST = (f"karpathy:data/dataset_coco.json?split={split}&images=data/photos" for split in ("train", "val", "test"))  # fmt: skip


class TestPlugin(PluginContract):
    plugin = "c3_datasets"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with Karpathy's file in `data`, and the current folder beside it, where none of its paths lead."""
    write_karpathy(tmp_path / "home" / "data")
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    return tmp_path / "home"


def run(command: str, folder: Path, recipe: dict[str, Any], *words: object) -> None:
    (folder / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    done = c3(command, folder / "recipe.yaml", *words)
    assert done.returncode == 0, done.stderr


def test_the_plugins_are_listed_with_their_summaries() -> None:
    listed = c3("plugins").stdout
    for name in (
        "karpathy:dataset_coco.json?split=test&images",
        "clotho:FOLDER",
        "hf-dataset:NAME",
        "msrvtt:",
        "coco:",
    ):
        assert name in listed


def test_columns_are_embedded_and_paired_and_a_missing_picture_is_a_bad_item(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here)
    (here / "data" / "photos" / "val2014" / "five.png").unlink()
    for words, out in (((TEST,), "plain"), ((f"{TEST}:image",), "image")):
        done = c3("embed", "playground", "image", *words, "--out", out)
        assert done.returncode == 0, done.stderr
        assert "val2014/five.png: no such file\n1 of 4 item(s) could not be read" in done.stderr
    images = Store.open("image")
    assert list(images.sources()) == [str(Path("data/photos/val2014/3 & ñ.png"))] * 3
    assert [row.id for row in images.errors()] == [f"{TEST}:4"]
    assert list(Store.open("plain").sources()) == list(images.sources())
    assert c3("embed", "playground", "text", f"{TEST}:caption", "--out", "text").returncode == 0
    done = c3("geometry", "image", "text", "--json", "--group-size", "2")
    assert "1 row(s) of karpathy:" in done.stderr  # of one table: rows are paired although one is missing


def test_videos_and_sounds(tmp_path: Path) -> None:
    write_videos(tmp_path / "clips" / "video2.gif", tmp_path / "clips" / "video3.gif")
    for number in (2, 3):  # the reader knows a video by its content
        (tmp_path / "clips" / f"video{number}.gif").rename(tmp_path / "clips" / f"video{number}.mp4")
    videos = f"msrvtt:{write_msrvtt(tmp_path)}?split=test&videos={tmp_path}/clips"
    sounds = f"clotho:{write_clotho(tmp_path)}?split=evaluation"
    for modality, table, rows in (("video", videos, 3), ("audio", sounds, 10)):
        done = c3("embed", "playground", modality, f"{table}:{modality}", "--out", tmp_path / modality)
        assert done.returncode == 0, done.stderr
        assert len(Store.open(tmp_path / modality)) == rows


def test_a_recipe_trains_on_them_and_evaluate_scores_on_them(here: Path) -> None:
    recipe = {
        "space": "playground",
        "bridge": "c3",
        "decoder": {"name": "gpt2", **DECODER},
        "items": {"text": f"{TRAIN}:text", "image": f"{TRAIN}:image"},
        "validation": VAL,
        "training": TRAINING,
    }
    run("fit", here, recipe, "--out", here / "captioner")
    pairs = {"source": "image", "target": "text"}
    supervised = {
        "start": "captioner",
        "pairs": {"table": TRAIN, **pairs},
        "validation": {"table": VAL, **pairs},
        "training": TRAINING,
    }
    run("fit", here, supervised, "--out", here / "tuned")
    full = TEST.replace("data/", f"{here}/data/")
    done = c3("evaluate", here / "captioner", full, "--metric", "bleu4", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["items"] == 2
    fails("evaluate", here / "captioner", TEST, status=2, says="dataset_coco.json does not exist")  # from here
    done = c3("run", here / "captioner", f"{full}:image", "--json")
    assert [Path(row["input"]).name for row in json.loads(done.stdout)["outputs"]] == [
        f"photos:{row}" for row in range(1, 5)
    ]


def test_connect_trains_on_them(here: Path) -> None:
    recipe = {
        "name": "small",
        "dim": 8,
        "towers": {"text": {"tower": "playground-text"}, "image": {"tower": "playground-image"}},
        "pairs": [{"train": TRAIN, "validation": TEST}],
        "training": TRAINING,
    }
    run("connect", here, recipe, "--out", here / "space")
    assert (here / "space" / "space.json").exists()


def test_the_home_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    table = load_table("karpathy:~/data/dataset_coco.json?split=val&images=~/data/photos")
    assert table.column("image") == [str(here / "data" / "photos" / "val2014" / "two.png")]


def test_a_table_starts_at_its_folder(here: Path) -> None:
    table = load_table(TEST, folder=here)
    assert table.rows == 4
    assert list(load_items(f"{TEST}:image", "image", folder=here)) == table.column("image")
