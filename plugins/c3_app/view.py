"""A view of the space: the clouds of two modalities and a new point, on two axes, before and after the bridge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor

from c3_app.known import KnownItems
from c3_app.projection import Axes
from c3core.statistics import new_figure

DRAWN = 300  # points of a cloud
COLORS = ("#3b6fb6", "#d98032")
NEW = "#c22f2f"
MARGIN = 0.08  # of the range of an axis


@dataclass(frozen=True)
class View:
    """Clouds (n, 2) by what they are, the new point (2,), the names of the axes, and their ranges (2, 2)."""

    title: str
    clouds: Mapping[str, Tensor]
    point: Tensor
    names: tuple[str, str]
    ranges: Tensor

    def picture(self) -> Image.Image:
        """The view as a picture. Raises `NotInstalled` without matplotlib."""
        figure, axes = new_figure(1, 1, width=3.8, height=3.9)
        axis = axes[0, 0]
        for (label, points), color in zip(self.clouds.items(), COLORS, strict=False):
            axis.scatter(*points.T.numpy(), s=16, color=color, alpha=0.55, linewidths=0, label=label)
        new = {"s": 260, "marker": "*", "color": NEW, "edgecolors": "white", "linewidths": 1, "zorder": 3}
        axis.scatter(*self.point.numpy(), label="the input", **new)
        axis.set_title(self.title, fontsize=10)
        axis.set_xlabel(self.names[0], fontsize=10)
        axis.set_ylabel(self.names[1], fontsize=10)
        axis.set_xlim(*self.ranges[0].tolist())
        axis.set_ylim(*self.ranges[1].tolist())
        axis.tick_params(labelsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=1, fontsize=9, frameon=False)
        file = BytesIO()
        figure.savefig(file, dpi=200)
        return Image.open(file)


def views(
    clouds: Mapping[str, KnownItems],
    embedding: Tensor,
    modality: str,
    bridge: str,
    condition: Callable[[Tensor, str], Tensor],
) -> tuple[View, View]:
    """The views before and after a bridge of known items by modality, and of an embedding (1, dim) of `modality`.

    Both have the same axes, unless the bridge changes the number of dimensions, and the same ranges.
    """
    labels = {name: f"{name}: {min(DRAWN, len(known))} {known.origin}" for name, known in clouds.items()}
    before = {name: _drawn(known.embeddings) for name, known in clouds.items()}
    after = {name: condition(rows, name).float().cpu() for name, rows in before.items()}
    axes = Axes.of(*before.values())
    same = embedding.shape[1] == next(iter(after.values())).shape[1]
    spaces = (
        ("Embeddings", before, embedding, axes),
        (
            f"Conditions, by bridge {bridge}",
            after,
            condition(embedding, modality).float().cpu(),
            axes if same else None,
        ),
    )
    placed = []
    for title, rows, new, own in spaces:
        own = own or Axes.of(*rows.values())
        middle = torch.stack([cloud.mean(0) for cloud in rows.values()]).mean(0)
        points = {labels[name]: own(cloud - middle) for name, cloud in rows.items()}
        placed.append((f"{title}{_apart(rows)}", points, own(new - middle)[0], own.names))
    every = torch.cat([torch.cat([*points.values(), point[None]]) for _, points, point, _ in placed])
    low, high = every.min(0).values, every.max(0).values
    ranges = torch.stack([low - MARGIN * (high - low), high + MARGIN * (high - low)], dim=1)
    first, second = (View(*one, ranges) for one in placed)
    return first, second


def _drawn(rows: Tensor) -> Tensor:
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    return rows[order[:DRAWN]]


def _apart(rows: Mapping[str, Tensor]) -> str:
    """How far the means of two clouds are apart, without what only the small number of points makes of it."""
    if len(rows) < 2 or min(map(len, rows.values())) < 2:
        return ""
    first, second = (cloud.mean(0) for cloud in rows.values())
    by_chance = sum(cloud.var(0).sum() / len(cloud) for cloud in rows.values())
    return f"\nmeans {((first - second).square().sum() - by_chance).clamp_min(0).sqrt():.2f} apart"
