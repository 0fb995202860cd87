"""Figure 14: cosines within a modality are high if some dimensions are constant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3_paper.theory.spaces import SPACE, TABLE, Embedded, embed_both
from c3_paper.theory.study import BLUE, GREY, ORANGE, Row, Study, plain
from c3core.statistics import new_figure

POINTS = 500  # of the sphere and of the cone, and rows whose cosines are drawn
HEIGHT = 2.0  # the constant value of the collapsed axis


def mean_cosine(rows: Tensor) -> float:
    """The mean cosine of two different rows (n, d).

    >>> mean_cosine(torch.eye(3))
    0.0
    """
    unit, n = normalize(rows.double(), dim=1), len(rows)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (n * (n - 1)))


def sphere_and_cone(seed: int) -> tuple[Tensor, Tensor]:
    """Random unit vectors (POINTS, 3), and the same with a constant third coordinate before they are normalized."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(POINTS, 3, generator=generator, dtype=torch.float64)
    collapsed = torch.cat([rows[:, :2], torch.full((POINTS, 1), HEIGHT, dtype=torch.float64)], dim=1)
    return normalize(rows, dim=1), normalize(collapsed, dim=1)


def study(
    *,
    seed: int = 0,
    quiet: bool = False,
    space: str = SPACE,
    untrained: str | None = None,
    table: str = TABLE,
    root: Path | None = None,
) -> Study:
    """Measure the cosines within a modality, in three dimensions and in a space without training and trained."""
    points = sphere_and_cone(seed)
    found = embed_both(space, untrained, table, root, seed=seed, quiet=quiet)
    rows = [
        Row("mean cosine in three dimensions", mean_cosine(points[0])),
        Row("the same with a constant third coordinate", mean_cosine(points[1])),
    ]
    for one in found:
        for modality, embeddings in one.by_modality.items():
            rows.append(Row(f"mean cosine of two {modality} embeddings, {one.kind}", mean_cosine(embeddings)))
    notes = [
        f"{' and '.join(one.name for one in found)} on {table}. The paper prints no number, only that the cosines of an"
        " untrained network lie far above zero.",
    ]
    return Study("Figure 14: the cone effect", rows, lambda: _draw(points, found, seed), notes)


def _cosines(rows: Tensor, seed: int) -> np.ndarray:
    """The cosines of all pairs among some of the rows (n, d)."""
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:POINTS]
    unit = normalize(rows[chosen].double(), dim=1)
    upper = torch.ones(len(unit), len(unit), dtype=torch.bool).triu(1)
    return (unit @ unit.T)[upper].numpy()


def _draw(points: tuple[Tensor, Tensor], found: Sequence[Embedded], seed: int) -> Any:
    modalities = list(found[0].by_modality)
    columns = 2 + len(modalities)
    figure, axes = new_figure(1, columns, width=3.6, height=3.5)
    axes[0][0].remove()
    ball = figure.add_subplot(1, columns, 1, projection="3d")
    kinds = (("three random coordinates", GREY), ("third coordinate constant", BLUE))
    for rows, (_, color) in zip(points, kinds, strict=True):
        ball.scatter(*rows.T.numpy(), s=9, color=color, alpha=0.7, linewidths=0)
    around, up = np.meshgrid(np.linspace(0, 2 * np.pi, 25), np.linspace(0, np.pi, 13))
    globe = (np.cos(around) * np.sin(up), np.sin(around) * np.sin(up), np.cos(up))
    ball.plot_wireframe(*globe, color="#dddddd", linewidth=0.5)
    ball.set_box_aspect((1, 1, 1), zoom=1.5)
    ball.view_init(elev=15)
    ball.set_axis_off()
    ball.set_title("Constant third coordinate: a cone", fontsize=10)
    groups = [(name, color, rows) for rows, (name, color) in zip(points, kinds, strict=True)]
    _histogram(axes[0][1], "In three dimensions", groups, seed)
    colors = {"untrained": BLUE, "trained": ORANGE}
    for axis, modality in zip(axes[0][2:], modalities, strict=True):
        groups = [(one.kind, colors[one.kind], one.by_modality[modality]) for one in found]
        _histogram(axis, f"Between {modality} embeddings", groups, seed)
    return figure


def _histogram(axis: Any, title: str, groups: Sequence[tuple[str, str, Tensor]], seed: int) -> None:
    """Draw the distribution of the cosines of rows (n, d) by name and color."""
    for name, color, rows in groups:
        mean, cosines = mean_cosine(rows), _cosines(rows, seed)
        label = f"{name}: mean {mean:z.2f}"
        plain(axis).hist(cosines, bins=80, range=(-1, 1), density=True, color=color, alpha=0.55, label=label)
        axis.axvline(mean, ymax=0.77, color=color, linewidth=1.2)
    axis.set_xlim(-1, 1)
    axis.set_xticks([-1, -0.5, 0, 0.5, 1])
    axis.set_ylim(0, 1.3 * axis.get_ylim()[1])
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    axis.set_xlabel("cosine", fontsize=9)
    axis.set_title(title, fontsize=10)
    axis.legend(fontsize=8, loc="upper left", frameon=False)
