"""Inputs of several modalities on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from c3core import load_items, load_pipeline
from tests.helpers.command_line import c3
from tests.helpers.spaces import write_mixed_files

CAPTIONER = "playground/captioner"


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    return write_mixed_files(tmp_path)


def test_each_file_of_a_mixed_folder_is_captioned_as_in_python(mix: Path) -> None:
    done = c3("run", CAPTIONER, mix, "--json")
    assert done.returncode == 0, done.stderr
    found = {row["input"]: row["output"] for row in json.loads(done.stdout)["outputs"]}
    items = load_items(mix, None)
    assert found == dict(zip(items, load_pipeline(CAPTIONER)(items), strict=True))
    assert len(found) == 3
    assert done.stderr == ""


def test_a_file_that_is_left_out_is_named_with_how_to_ask_for_it(mix: Path) -> None:
    (mix / "d.xyz").write_text("?")
    done = c3("run", CAPTIONER, mix)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert "d.xyz: its name does not tell its modality" in done.stderr
    assert "--modality" in done.stderr
    assert "1 of 4 item(s) could not be read" in done.stderr


def test_only_what_was_asked_for_is_read_as_asked_for(mix: Path) -> None:
    done = c3("run", CAPTIONER, mix, "-m", "image", "--json")
    answer = json.loads(done.stdout)
    assert [Path(row["input"]).name for row in answer["outputs"]] == ["b.png", "c.gif"]
    assert [Path(item["input"]).name for item in answer["bad"]] == ["a.wav"]


def test_several_seeds_of_several_modalities_are_one_row_each(mix: Path) -> None:
    done = c3("run", CAPTIONER, mix, "--seeds", 2, "--json", "-o", "do_sample=true")
    rows = json.loads(done.stdout)["outputs"]
    assert len({(row["input"], row["seed"]) for row in rows}) == len(rows) == 6


def test_a_store_is_run_as_it_is(mix: Path, tmp_path: Path) -> None:
    assert c3("embed", "playground", "image", mix / "b.png", "--out", tmp_path / "store").returncode == 0
    done = c3("run", CAPTIONER, tmp_path / "store", "--json")
    assert done.returncode == 0, done.stderr
    expected = json.loads(c3("run", CAPTIONER, mix / "b.png", "--json").stdout)
    assert json.loads(done.stdout) == expected


def test_the_table_of_a_plugin_is_run_by_its_column() -> None:
    done = c3("run", CAPTIONER, "playground:audio/test/2/1", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["outputs"]
    assert [row["input"] for row in rows] == ["playground:audio/test/2/1:1", "playground:audio/test/2/1:2"]
