"""Pictures from the command line: fit a small painter, draw with several seeds, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.command_line import c3, fails
from tests.helpers.spaces import TRAINING, write_space

TABLE = "playground:image/test/120/1"
PAINTER = {"name": "stylegan", "channels": 64, "max_channels": 8, "style_dim": 8, "mapping_layers": 1}


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painter")
    write_space(folder / "space")
    recipe = {"space": "space", "bridge": {"name": "c3", "rescale": "none"}, "decoder": PAINTER}
    pairs = "playground:image/train/40/1"
    recipe |= {"items": {"image": pairs, "text": pairs}, "training": {**TRAINING, "steps": 2}}
    (folder / "fit.yaml").write_text(json.dumps(recipe))
    done = c3("fit", folder / "fit.yaml", "--out", folder / "painter")
    assert done.returncode == 0, done.stderr
    return folder / "painter"


def test_several_inputs_make_a_square_overview_and_a_stale_one_goes(painter: Path, tmp_path: Path) -> None:
    sentences = [f"a {colour} circle" for colour in ("red", "blue", "green", "yellow", "pink")]
    c3("run", painter, *sentences, "--out", tmp_path)
    wide, high = Image.open(tmp_path / "overview.png").size
    assert wide > high > wide / 2  # five as three and two
    c3("run", painter, sentences[0], "--out", tmp_path)
    assert not (tmp_path / "overview.png").exists()


def test_several_seeds_give_files_and_an_overview(painter: Path, tmp_path: Path) -> None:
    said = c3("run", painter, "a small red ring left of a blue square", "a star", "--out", tmp_path, "--seeds", 3)
    assert said.returncode == 0, said.stderr
    names = {f"{position:06d}-{seed}.png" for position in range(2) for seed in range(3)}
    assert {path.name for path in tmp_path.iterdir()} == names | {"overview.png"}
    assert all(Image.open(tmp_path / name).size == (32, 32) for name in names)
    wide, high = Image.open(tmp_path / "overview.png").size
    assert wide > high  # three seeds side by side, two sentences below each other
    assert str(tmp_path / "overview.png") in said.stdout
    assert "each seed gave the same" not in said.stderr
    said = c3("run", painter, "a star", "--out", tmp_path / "many", "--seeds", 20, "--json")
    assert json.loads(said.stdout)["overview"] == str(tmp_path / "many" / "overview.png")
    wide, high = Image.open(tmp_path / "many" / "overview.png").size
    assert 2 < wide / high < 3  # eight, eight and four
    said = c3("run", painter, "a star", "--out", tmp_path, "--seeds", 2, "-o", "truncation=0")
    assert "each seed gave the same" in said.stderr


def test_what_cannot_be_replaced_and_seeds_beyond_the_largest_are_one_line(painter: Path, tmp_path: Path) -> None:
    (tmp_path / "overview.png").mkdir()
    said = c3("run", painter, "a star", "--out", tmp_path)
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "overview.png cannot be replaced" in said.stderr
    said = c3("run", painter, "a star", "--out", tmp_path / "drawn", "--seed", 2**32 - 1, "--seeds", 2)
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert "go beyond the largest seed" in said.stderr
    assert not (tmp_path / "drawn").exists()


def test_the_same_seed_draws_the_same(painter: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert c3("run", painter, "a star", "--out", tmp_path / name, "--seed", 5).returncode == 0
    c3("run", painter, "a star", "--out", tmp_path / "third", "--seed", 6)
    one, other, third = ((tmp_path / name / "000000.png").read_bytes() for name in ("one", "other", "third"))
    assert one == other != third


def test_best_of_keeps_another_picture_than_the_first(painter: Path, tmp_path: Path) -> None:
    sentence = "a small red ring left of a blue square"
    drawn = {}
    for name, words in {"plain": [], "best": ["--best-of", 8]}.items():
        said = c3("run", painter, sentence, "--out", tmp_path / name, *words)
        assert said.returncode == 0, said.stderr
        drawn[name] = (tmp_path / name / "000000.png").read_bytes()
    assert drawn["plain"] != drawn["best"]
    fails("run", painter, sentence, "--out", tmp_path, "--best-of", 0, status=2, says="--best-of")
    scores = [
        json.loads(c3("evaluate", painter, TABLE, "--json", *words).stdout)["r1"] for words in ([], ["--best-of", 8])
    ]
    assert scores[1] > scores[0]  # what is chosen by the sentence is found by it


def test_a_picture_in_gives_a_picture_out(painter: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "photo.png")
    said = c3("run", painter, tmp_path / "photo.png", "--out", tmp_path / "drawn", "--json")
    assert [Path(row["output"]).name for row in json.loads(said.stdout)["outputs"]] == ["000000.png"]


def test_evaluate_scores_pictures_by_their_embeddings(painter: Path) -> None:
    said = c3("evaluate", painter, TABLE, "--json", "--metric", "playground-factors")
    assert said.returncode == 0, said.stderr
    scores = json.loads(said.stdout)
    assert {"fid", "kid_mean", "kid_std", "r1", "factors", "exact"} <= set(scores)
    assert scores["items"] == 120
    assert "image encoder" in scores["features"]
    assert scores["group"] == 100


def test_a_reference_that_cannot_be_read_is_left_out(painter: Path, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    Image.new("RGB", (32, 32), "blue").save(tmp_path / "blue.png")
    (tmp_path / "pairs.csv").write_text("text,image\na star,red.png\na ring,blue.png\na heart,missing.png\n")
    said = c3("evaluate", painter, tmp_path / "pairs.csv", "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["items"] == 3
    assert "missing.png" in said.stderr
    assert "1 of 3 reference(s) could not be read" in said.stderr


def test_a_batch_of_bad_inputs_ends_nothing(painter: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    fails("run", painter, tmp_path / "broken.png", "--out", tmp_path / "x", status=1, says="no input could be read")
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    inputs = [tmp_path / "broken.png", tmp_path / "red.png"]
    said = c3("run", painter, *inputs, "--out", tmp_path / "y", "--batch-size", 1)
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "y" / "000001.png").is_file()


def test_wrong_calls_are_one_clear_error(painter: Path, tmp_path: Path) -> None:
    fails("run", painter, "a star", status=2, says="Name a folder: --out FOLDER.")
    fails("run", painter, "", "--out", tmp_path, status=2, says="empty")
    fails("run", painter, "a star", "", "-m", "text", "--out", tmp_path, status=2, says="empty")
    (tmp_path / "file.png").touch()
    fails("run", painter, "a star", "--out", tmp_path / "file.png", status=2, says="is a file. Name a folder")
    fails("run", painter, "a star", "--out", tmp_path, "-o", "truncation=-1", status=2, says="truncation")
    fails("run", painter, "a star", "--out", tmp_path, "--seeds", "0", status=2, says="--seeds")
    fails("run", tmp_path, "a star", "--out", tmp_path / "x", status=2, says="is not a pipeline")
    fails("run", "playground/paintr", "a star", "--out", tmp_path, status=2, says="did you mean playground/painter")
    fails("run", painter, "./photos/", "--out", tmp_path, status=2, says="does not exist")
