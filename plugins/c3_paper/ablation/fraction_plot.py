"""Draw the scores of an ablation over fractions of the pairs (Figure 6 of the C3 paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from c3core.errors import warn
from c3core.io import atomic_write


def plot_fractions(rows: Sequence[Mapping[str, Any]], out: Path) -> Path | None:
    """Write `fractions.png` into `out`: a panel for each metric, a line for each bridge.

    `rows` are those of `ablate`. Published figures are dashed. Warns if matplotlib is missing, and returns None.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        warn('fractions.png needs matplotlib. Install it: pip install "c3core[plots]"')
        return None
    metrics = [name for name, value in rows[0].items() if isinstance(value, dict) and "mean" in value]
    bridges = list(dict.fromkeys(row["bridge"] for row in rows))
    figure = Figure(figsize=(3.6 * len(metrics), 3.2), layout="constrained")
    for axis, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        for number, bridge in enumerate(bridges):
            own = [row for row in rows if row["bridge"] == bridge and metric in row]
            shares = [row["fraction"] for row in own]
            means, stds = ([row[metric][name] or 0.0 for row in own] for name in ("mean", "std"))
            axis.errorbar(shares, means, yerr=stds, color=f"C{number}", marker="o", markersize=4, label=bridge)
            paper = [(row["fraction"], row["paper"][metric]) for row in own if metric in row.get("paper", {})]
            if paper:
                axis.plot(*zip(*paper, strict=True), color=f"C{number}", linestyle="--", linewidth=1)
        axis.set_xscale("log")
        axis.set_title(metric, fontsize=10)
        axis.set_xlabel("fraction of the pairs", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(fontsize=8, frameon=False)
    path = out / "fractions.png"
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return path
