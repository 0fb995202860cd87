"""`c3 fit` and `c3 connect`, started again after they finished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from c3_playground.world import World
from tests.helpers.command_line import c3
from tests.helpers.miniatures import write_csv
from tests.helpers.spaces import write_space

TRAINING = {"steps": 2, "batch_size": 4, "warmup_steps": 0}
DECODER = {"name": "stylegan", "channels": 64, "max_channels": 8, "style_dim": 8, "rows": 2, "hidden": 8}


def fit_recipe(folder: Path) -> dict[str, Any]:
    return {
        "space": str(write_space(folder / "space")),
        "decoder": DECODER,
        "items": {"image": "playground:image/train/8/1"},
        "training": TRAINING,
    }


def connect_recipe(folder: Path) -> dict[str, Any]:
    return {
        "name": "small",
        "dim": 8,
        "towers": {"text": {"tower": "playground-text"}, "image": {"tower": "playground-image"}},
        "pairs": [{"train": "playground:image/train/8", "validation": "playground:image/validation/8"}],
        "training": TRAINING,
    }


@pytest.mark.parametrize(("command", "make"), [("fit", fit_recipe), ("connect", connect_recipe)])
def test_a_finished_training_started_again_has_nothing_left_to_do(tmp_path: Path, command: str, make: Any) -> None:
    recipe, out = make(tmp_path), tmp_path / "out"

    def run(*words: object, **training: object) -> Any:
        path = tmp_path / "recipe.yaml"
        path.write_text(json.dumps({**recipe, "training": {**TRAINING, **training}}))  # JSON is YAML
        return c3(command, path, "--out", out, *words)

    first = run()
    assert (first.returncode, first.stdout.count(f"saved {out}")) == (0, 1), first.stderr
    described = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = run()
    assert (again.returncode, again.stderr) == (0, "")
    assert f"nothing left to do: {out} is finished" in again.stdout
    assert "saved" not in again.stdout
    assert json.loads(run("--json").stdout)
    longer = run(steps=3)
    assert longer.returncode == 2
    assert "training.steps was 2. Choose another folder (--out)." in longer.stderr
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == described


@pytest.mark.parametrize(("command", "make"), [("fit", fit_recipe), ("connect", connect_recipe)])
def test_what_is_saved_names_no_folder_of_this_machine(tmp_path: Path, command: str, make: Any) -> None:
    rows = [("image", "text")]
    for number, item in enumerate(World().items("image", "train", 8)):
        Image.fromarray(item.data).save(tmp_path / f"{number}.png")
        rows.append((f"{number}.png", item.sentences[0]))
    table = write_csv(tmp_path / "data.csv", *rows)
    recipe = make(tmp_path)
    recipe |= {"items": {"image": f"{table}:image"}} if command == "fit" else {"pairs": [{"train": str(table)}]}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    done = c3(command, tmp_path / "recipe.yaml", "--out", tmp_path / "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "data.csv" in (tmp_path / "out" / ("pipeline.json" if command == "fit" else "space.json")).read_text()
    for path in {*(tmp_path / "out").rglob("*")} - {*(tmp_path / "out" / "run").rglob("*")}:
        assert path.is_dir() or str(tmp_path).encode() not in path.read_bytes(), path


def test_a_dry_run_tries_the_whole_recipe(tmp_path: Path) -> None:
    recipe = fit_recipe(tmp_path) | {"items": {"image": "playground:image/train/90/1"}, "training": {"steps": 10**6}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    done = c3("fit", tmp_path / "recipe.yaml", "--out", tmp_path / "out", "--dry-run", "--set", "training.batch_size=8")
    assert done.returncode == 0, done.stderr
    (trained_on,) = json.loads((tmp_path / "out" / "dry-run" / "pipeline.json").read_text())["trained_on"]
    assert (trained_on["steps"], trained_on["statistics_of"]) == (2, {"image": 32})
    assert trained_on["recipe"]["training"]["batch_size"] == 8


@pytest.mark.parametrize(
    ("command", "make"), [("fit", fit_recipe), ("connect", connect_recipe), ("ablate", fit_recipe)]
)
def test_a_dry_run_leaves_the_real_one_alone(tmp_path: Path, command: str, make: Any) -> None:
    recipe = make(tmp_path)
    if command == "ablate":
        recipe["items"]["text"] = "playground:image/train/8/1"
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    out = tmp_path / "out"
    table = ("playground:image/test/20", "--bridges", "c3") if command == "ablate" else ()
    words = (command, tmp_path / "recipe.yaml", *table, "--out", out)
    (out / "dry-run").mkdir(parents=True)
    (out / "dry-run" / "half").write_text("of a dry run that was killed")
    assert c3(*words, "--dry-run", "--set", "training.batch_size=2").returncode == 0  # of another recipe
    trial = c3(*words, "--dry-run")
    assert f"{out / 'dry-run'} holds a trial of two steps" in trial.stdout, trial.stderr
    assert [path.name for path in out.iterdir()] == ["dry-run"]
    assert not (out / "dry-run" / "half").exists()
    assert c3(*words).returncode == 0
    written = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and "dry-run" not in path.parts}
    assert c3(*words, "--dry-run").returncode == 0
    assert all(path.read_bytes() == content for path, content in written.items())


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ("a.jpg", "is not empty, and holds nothing of this command"),
        ("space.json", "holds a space"),
        ("store.json", "holds a store"),
        (".hidden", None),
        ("dry-run", None),
    ],
)
def test_a_fit_writes_into_no_folder_of_other_things(tmp_path: Path, held: str, says: str | None) -> None:
    (tmp_path / "recipe.yaml").write_text(json.dumps(fit_recipe(tmp_path)))
    (tmp_path / "out" / held).mkdir(parents=True)
    done = c3("fit", tmp_path / "recipe.yaml", "--out", tmp_path / "out")
    assert (done.returncode, says is None or says in done.stderr) == (0 if says is None else 2, True), done.stderr
    assert says is None or [path.name for path in (tmp_path / "out").iterdir()] == [held]


def test_a_dry_run_tries_a_space(tmp_path: Path) -> None:
    recipe = connect_recipe(tmp_path) | {"training": {"steps": 10**6}}
    recipe["pairs"] = [{"train": "playground:image/train/90", "validation": "playground:image/validation/90"}]
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    done = c3("connect", tmp_path / "recipe.yaml", "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "holds a trial of two steps" in done.stdout
    assert json.loads((tmp_path / "out" / "dry-run" / "space.json").read_text())["measured"]["steps"] == 2
    described = c3("info", tmp_path / "out" / "dry-run").stdout
    assert "modalities: text, image\n" in described
    assert "held-out pairs: image-text R@1 " in described
    assert ", noise_std 0." in described
