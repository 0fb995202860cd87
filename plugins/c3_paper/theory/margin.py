"""Lemma 2 and Figure 5: how large a margin makes the contrastive loss of a pair vanish, by temperature.

With the margin r = e_xi · e_yi − max_j e_xi · e_yj, the loss of a pair is log(1 + o′(τ) exp(−r / τ)), where
o′(τ) = Σ_j≠i exp((t_j − max t) / τ) counts the negatives near the hardest one. So it is at most δ exactly if
r ≥ τ log(o′(τ) / (e^δ − 1)). The paper's o(τ) is any bound of o′(τ) between 1 and n.
"""

from __future__ import annotations

from math import expm1, log, pi
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3_paper.theory.study import BLUE, GREEN, GREY, ORANGE, Row, Study, plain
from c3core.statistics import new_figure

DELTA = 0.1  # the loss at which training is taken to end: the paper gives no value
TEMPERATURES = (0.01, 0.02, 0.05, 0.07, 0.1, 0.2)
CIRCLE = (0.02, 0.1, 0.3)  # temperatures of the drawn circles
TEXTS = (90, 30, 155, 215, 270, 325)  # degrees: the matched text, and negatives, of the drawn circles


def crowd(negatives: Tensor, temperature: float) -> float:
    """o′(τ) of the similarities (m,) of the negatives: how many count as much as the hardest one.

    >>> crowd(torch.tensor([0.5, 0.5, -1.0]), 0.01)
    2.0
    """
    negatives = negatives.double()
    return ((negatives - negatives.max()) / temperature).exp().sum().item()


def required_margin(crowded: float, temperature: float, delta: float = DELTA) -> float:
    """The least margin at which the loss of a pair is `delta`, for o′(τ) = `crowded` (Lemma 2)."""
    return temperature * log(crowded / expm1(delta))


def loss(matched: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """The loss (n,) of pairs of similarity `matched` (n,) among negatives of similarities (m,) or (n, m)."""
    negatives = negatives.expand(len(matched), negatives.shape[-1])
    scores = torch.cat([matched.unsqueeze(1), negatives], dim=1) / temperature
    return scores.logsumexp(1) - scores[:, 0]


def stable_share(temperature: float, delta: float = DELTA) -> tuple[np.ndarray, np.ndarray]:
    """Angles of an image on the circle of `TEXTS`, and whether its loss is at most `delta` there."""
    angles = torch.linspace(-pi, pi, 7201, dtype=torch.float64)[:-1]
    texts = torch.tensor(TEXTS, dtype=torch.float64).deg2rad()
    similarities = (angles.unsqueeze(1) - texts).cos()
    stable = loss(similarities[:, 0], similarities[:, 1:], temperature) <= delta
    return angles.numpy(), stable.numpy()


def study(*, seed: int = 0, quiet: bool = False, n: int = 1000, dim: int = 512) -> Study:
    """Measure the margin that the loss needs among random negatives, and the stable region, by temperature."""
    generator = torch.Generator().manual_seed(seed)
    points = normalize(torch.randn(n, dim, generator=generator, dtype=torch.float64), dim=1)
    negatives = points[1:] @ points[0]  # similarities of an image with the texts of other pairs
    rows = []
    for temperature in TEMPERATURES:
        margin = required_margin(crowd(negatives, temperature), temperature)
        rows.append(Row(f"margin that is needed at temperature {temperature}", margin, form=".3f"))
    for temperature in CIRCLE:
        share = stable_share(temperature)[1].mean().item()
        rows.append(Row(f"stable share of the circle of {len(TEXTS)} texts at {temperature}", share, form=".0%"))
    largest = 1 - negatives.max().item()  # matched at a cosine of 1
    sweep = np.geomspace(0.005, 1, 100)
    needed = [required_margin(crowd(negatives, temperature), temperature) for temperature in sweep]
    limit = max((t for t, margin in zip(sweep, needed, strict=True) if margin <= largest), default=0.0)
    rows.append(Row("greatest temperature with a stable region among them", limit, form=".2f"))
    notes = [
        f"{n - 1:,} random negatives in {dim} dimensions; training ends at a loss of {DELTA}. The paper prints no"
        " number, only that the margin that is needed grows with the temperature.",
    ]
    curves = {"temperature": sweep.tolist(), "margin": needed, "largest_margin": largest}
    draw = lambda: _draw(sweep, np.array(needed), largest, n)  # noqa: E731
    return Study("Lemma 2 and Figure 5: the stable region by temperature", rows, draw, notes, curves)


def _draw(sweep: np.ndarray, needed: np.ndarray, largest: float, n: int) -> Any:
    figure, axes = new_figure(1, 1 + len(CIRCLE), width=3.5, height=3.5)
    margin = plain(axes[0][0])
    fits = needed <= largest
    margin.fill_between(sweep[fits], needed[fits], largest, color=GREEN, alpha=0.3, linewidth=0, label="stable region")
    margin.plot(sweep, needed, color=BLUE, label="margin that is needed")
    for count, style in ((1, ":"), (n, "--")):
        bound = [required_margin(count, temperature) for temperature in sweep]
        margin.plot(sweep, bound, color=GREY, linestyle=style, linewidth=1, label=f"for o(τ) = {count:,}")
    margin.axhline(largest, color=ORANGE, linewidth=1, label="greatest possible margin")
    margin.set_xscale("log")
    margin.set_xticks([0.01, 0.03, 0.07, 0.2, 1.0], ["0.01", "0.03", "0.07", "0.2", "1"])
    margin.minorticks_off()
    margin.set_ylim(0, 1.9 * largest)
    margin.set_xlabel("temperature τ", fontsize=9)
    margin.set_ylabel("margin r", fontsize=9)
    margin.set_title("Margin by temperature", fontsize=10)
    margin.legend(fontsize=7, loc="upper left", framealpha=1, edgecolor="none")
    for axis, temperature in zip(axes[0][1:], CIRCLE, strict=True):
        _circle(axis, temperature)
    return figure


def _circle(axis: Any, temperature: float) -> None:
    """Draw where on a circle of texts an image is stable."""
    from matplotlib.patches import Wedge

    angles, stable = stable_share(temperature)
    axis.set_aspect("equal")
    axis.set_axis_off()
    axis.plot(np.cos(angles), np.sin(angles), color="#cccccc", linewidth=1)
    if stable.any():
        ends = np.degrees(angles[stable][[0, -1]])
        axis.add_patch(Wedge((0, 0), 1, *ends, facecolor=GREEN, alpha=0.3, linewidth=0))
    for at, text in enumerate(np.radians(TEXTS)):
        axis.plot([np.cos(text)], [np.sin(text)], "o", color=ORANGE if at else BLUE, markersize=8)
    axis.text(0, 1.12, "its text", ha="center", fontsize=9, color=BLUE)
    axis.set_xlim(-1.25, 1.25)
    axis.set_ylim(-1.25, 1.35)
    axis.set_title(f"τ = {temperature}: {stable.mean():.0%} stable", fontsize=10)
