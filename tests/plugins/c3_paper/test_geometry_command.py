"""`c3 geometry`: what it prints, and which rows it pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from c3core import Store
from tests.helpers.command_line import c3, fails
from tests.helpers.pairs import unit_pairs


def test_wrong_words() -> None:
    fails("geometry", "x.npy", "y.npy", "z.npy", status=2, says="3 files or stores make no pairs")
    fails("geometry", "x.npy", "y.npy", "x.npy", "y.npy", status=2, says="named twice")
    fails("geometry", "x.npy", "y.npy", "--one-per", "a.txt", "--one-per", "b.txt", status=2, says="given 2 times")


def test_geometry_keeps_its_figures_where_plots_cannot_be_written(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(300, 8)))
    (tmp_path / "out" / "geometry.png" / "in the way").mkdir(parents=True)
    done = c3("geometry", tmp_path / "x.npy", tmp_path / "x.npy", "--json", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert json.loads(done.stdout)["n"] == 300
    assert "geometry.png" in done.stderr


def test_geometry_pairs_stores_of_one_table_by_its_rows(tmp_path: Path) -> None:
    every = torch.nn.functional.normalize(torch.randn(250, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    for name, hole in (("x", 3), ("y", 40)):
        rows = [row for row in range(250) if row != hole]
        ids = [f"pairs.csv:{row}" for row in rows]
        Store.from_embeddings(tmp_path / name, every[rows], space="s", modality="text", fingerprint="f", ids=ids)
    done = c3("geometry", tmp_path / "x", tmp_path / "y", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 248
    assert json.loads(done.stdout)["pair_cosine"]["mean"] == pytest.approx(1, abs=1e-6)


def test_geometry_of_several_pairs(tmp_path: Path) -> None:
    names = []
    for seed, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        for name, side in zip(("x.npy", "y.npy"), unit_pairs(300, seed=seed, span=8, dim=16), strict=True):
            np.save(tmp_path / folder / name, side.numpy())
            names.append(tmp_path / folder / name)
    done = c3("geometry", *names, "--json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    both = json.loads(done.stdout)
    assert [(Path(of["x"]), Path(of["y"])) for of in both] == [tuple(names[:2]), tuple(names[2:])]
    assert (tmp_path / "out" / "geometry.png").is_file()
    alone = [json.loads(c3("geometry", *pair, "--json").stdout) for pair in (names[:2], names[2:])]
    assert alone == both
    table = c3("geometry", *names).stdout.splitlines()
    assert table[1].split() == ["statistic", "a/x.npy", "a/y.npy", "b/x.npy", "b/y.npy"]  # x.npy is no name of one
    assert sum(line.split()[0] == "gap_length" and line.count("±") == 2 for line in table if line.strip()) == 1


def test_geometry_takes_one_row_of_each_item(tmp_path: Path) -> None:
    for name, side in zip("xy", unit_pairs(300, span=8, dim=16), strict=True):
        np.save(tmp_path / f"{name}.npy", side.repeat_interleave(2, dim=0).numpy())
    rows = [f"{number}.jpg,a caption" for number in range(300) for _ in range(2)]
    (tmp_path / "rows.csv").write_text("\n".join(["image,caption", *rows]))
    (tmp_path / "items.txt").write_text("\n".join(row.split(",")[0] for row in rows))
    pair = [tmp_path / "x.npy", tmp_path / "y.npy"]
    done = c3("geometry", *pair)
    assert "warning: x.npy y.npy: items repeat: of 600 pairs, x has 300 different rows" in done.stderr
    found = []
    for items in ("rows.csv:image", "items.txt"):
        done = c3("geometry", *pair, "--one-per", tmp_path / items, "--json")
        assert done.returncode == 0, done.stderr
        assert not done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert found[0]["n"] == 300
    done = c3("geometry", *pair, *reversed(pair), "--one-per", tmp_path / "items.txt", "--json")  # once for both pairs
    assert [of["n"] for of in json.loads(done.stdout)] == [300, 300]
