"""The drawing demo on a few sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from c3_playground.demo import draw
from c3_playground.methods import METHODS
from c3_playground.painters.shipped import DECODERS

pytest.importorskip("diffusers", reason="needs the extra diffusion")


def test_the_demo_writes_table_grid_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw.demo(out=tmp_path, measured=12, everything=True)
    result = json.loads((tmp_path / "results.json").read_text())
    ways = [(row["decoder"], row["method"], row["best_of"]) for row in result["rows"]]
    assert ways == draw.WAYS + draw.MORE
    assert {(decoder, method) for decoder, method, _ in ways} == {(d, m) for d in DECODERS for m in METHODS}
    page = (tmp_path / "index.html").read_text()
    assert page.count("<img") == draw.SHOWN * (1 + len(ways)) + len(DECODERS)
    assert (tmp_path / "grid.png").is_file()
    assert "C³" in capsys.readouterr().out
