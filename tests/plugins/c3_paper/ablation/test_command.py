"""`c3 ablate`: the table that it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command_line import c3
from tests.helpers.spaces import write_space

DECODER = {"name": "stylegan", "channels": 64, "max_channels": 8, "style_dim": 8, "rows": 2, "hidden": 8}


def fit_recipe(folder: Path) -> dict[str, Any]:
    return {
        "space": str(write_space(folder / "space")),
        "decoder": DECODER,
        "items": {"image": "playground:image/train/8/1"},
        "training": {"steps": 2, "batch_size": 4, "warmup_steps": 0},
    }


def test_an_ablation_is_printed_beside_published_figures(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text("- {bridge: c1, fraction: 1.0, r1: 50.0}\n")
    pairs = {"table": "playground:image/train/8", "source": "text", "target": "image"}
    (tmp_path / "recipe.yaml").write_text(json.dumps(fit_recipe(tmp_path) | {"pairs": pairs}))
    words = ["ablate", tmp_path / "recipe.yaml", "playground:image/test/90", "--out", tmp_path / "out", "--dry-run"]
    words += ["--bridges", "c1", "--fractions", "0.5,1", "--against", tmp_path / "ours.yaml"]
    done = c3(*words)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines if line[:1] == ["c1"]] == [["c1", "0.5"], ["c1", "1.0"]]
    assert ["paper", "50.0"] in lines
    (means,) = (line for line in lines if line[:2] == ["c1", "1.0"])
    assert re.fullmatch(r"\d+\.\d", means[3]), means  # R@1, as in `c3 evaluate`
    assert (tmp_path / "out" / "dry-run" / "fractions.png").is_file()
    (row, whole) = json.loads(c3(*words, "--json").stdout)["rows"]
    assert row["paper"] == {}
    assert whole["difference"]["r1"] == pytest.approx(whole["r1"]["mean"] - 50)
    wrong = c3(*words, "--seeds", "0,x")
    assert (wrong.returncode, "seeds are whole numbers" in wrong.stderr) == (2, True)
