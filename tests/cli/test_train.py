"""`c3 fit` and `c3 connect`, started again after they finished."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command_line import c3
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


def test_a_dry_run_tries_the_whole_recipe(tmp_path: Path) -> None:
    recipe = fit_recipe(tmp_path) | {"items": {"image": "playground:image/train/90/1"}, "training": {"steps": 10**6}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    done = c3("fit", tmp_path / "recipe.yaml", "--out", tmp_path / "out", "--dry-run", "--set", "training.batch_size=8")
    assert done.returncode == 0, done.stderr
    (trained_on,) = json.loads((tmp_path / "out" / "pipeline.json").read_text())["trained_on"]
    assert (trained_on["steps"], trained_on["statistics_of"]) == (2, {"image": 32})
    assert trained_on["recipe"]["training"]["batch_size"] == 8


def test_a_dry_run_tries_a_space(tmp_path: Path) -> None:
    recipe = connect_recipe(tmp_path) | {"training": {"steps": 10**6}}
    recipe["pairs"] = [{"train": "playground:image/train/90", "validation": "playground:image/validation/90"}]
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    done = c3("connect", tmp_path / "recipe.yaml", "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "holds a trial of two steps" in done.stdout
    assert json.loads((tmp_path / "out" / "space.json").read_text())["measured"]["steps"] == 2


def test_an_ablation_is_printed_beside_published_figures(tmp_path: Path, install_plugin: Any) -> None:
    plugin = "from c3core import hookimpl\n\n@hookimpl\ndef c3_published(register):\n"
    rows = "def rows(name):\n    return [{'bridge': 'c1', 'fraction': 1.0, 'r1': 50.0}]\n"
    install_plugin("own", plugin + "    register('ours', 'own_figures:rows')\n", own_figures=rows)
    pairs = {"table": "playground:image/train/8", "source": "text", "target": "image"}
    (tmp_path / "recipe.yaml").write_text(json.dumps(fit_recipe(tmp_path) | {"pairs": pairs}))
    words = ["ablate", tmp_path / "recipe.yaml", "playground:image/test/90", "--out", tmp_path / "out", "--dry-run"]
    words += ["--bridges", "c1", "--fractions", "0.5,1", "--against", "ours"]
    done = c3(*words)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines if line[:1] == ["c1"]] == [["c1", "0.5"], ["c1", "1.0"]]
    assert ["paper", "50.0"] in lines
    (means,) = (line for line in lines if line[:2] == ["c1", "1.0"])
    assert re.fullmatch(r"\d+\.\d", means[3]), means  # R@1, as in `c3 evaluate`
    assert (tmp_path / "out" / "fractions.png").is_file()
    (row, whole) = json.loads(c3(*words, "--json").stdout)["rows"]
    assert row["paper"] == {}
    assert whole["difference"]["r1"] == pytest.approx(whole["r1"]["mean"] - 50)
    wrong = c3(*words, "--seeds", "0,x")
    assert (wrong.returncode, "seeds are whole numbers" in wrong.stderr) == (2, True)
