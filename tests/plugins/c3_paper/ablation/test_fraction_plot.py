"""Scores over fractions of the pairs, as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from c3_paper.ablation.fraction_plot import plot_fractions


def test_a_picture_of_each_metric(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plots")
    rows = [
        {
            "bridge": bridge,
            "fraction": fraction,
            "seeds": 3,
            "cider": {"mean": start + 20 * fraction, "std": 1.0},
            "bleu4": {"mean": start / 3, "std": None},
            "paper": {"cider": start + 22 * fraction},
            "difference": {"cider": -2.0},
        }
        for bridge, start in (("c1", 60.0), ("c3", 80.0))
        for fraction in (0.01, 0.05, 0.25, 1.0)
    ]
    path = plot_fractions(rows, tmp_path)
    with Image.open(path) as drawn:
        assert drawn.width > 2 * drawn.height  # two panels
        assert len(drawn.convert("RGB").getcolors(1 << 20)) > 10
