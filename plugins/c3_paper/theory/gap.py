"""Figure 4: the modality gap before and after embeddings are trained freely by the contrastive loss.

Some dimensions of the image embeddings vary, others of the text embeddings, and the rest is constant within a
modality. Training moves a row only along rows of the other modality and along itself. So every row stays in the span of
the `image + text` dimensions that vary and of two vectors, the constants of the two modalities in the others: 257
directions instead of 512. Gradient descent does not depend on the basis. So the same steps are taken in that span, with
half the arithmetic, and the result is turned back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3_paper.theory.study import BLUE, GREY, ORANGE, Row, Study, plain
from c3core.errors import WrongCall
from c3core.runtime import progress_bar
from c3core.statistics import new_figure

POINTS = 60  # of the curve, at equal distances on the axis of log steps


@dataclass(frozen=True)
class Setting:
    """The paper's simulation: `image` dimensions of the image embeddings vary, then `text` of the text embeddings."""

    n: int = 1000
    dim: int = 512
    image: int = 25
    text: int = 230
    temperature: float = 0.07

    @property
    def effective(self) -> int:
        return self.image + self.text


@dataclass
class Trace:
    """The gap over all and over the ineffective dimensions, and the loss, before some of the steps and at the end."""

    steps: list[int] = field(default_factory=list)
    gap: list[float] = field(default_factory=list)
    ineffective: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)


def simulated(setting: Setting, seed: int) -> tuple[Tensor, Tensor]:
    """Image and text embeddings (n, dim) of the paper's simulation, float64 of unit norm."""
    generator = torch.Generator().manual_seed(seed)
    sides = []
    for start, stop in ((0, setting.image), (setting.image, setting.effective)):
        constants = torch.randn(setting.dim, generator=generator, dtype=torch.float64)
        rows = constants.repeat(setting.n, 1)
        rows[:, start:stop] = torch.randn(setting.n, stop - start, generator=generator, dtype=torch.float64)
        sides.append(normalize(rows, dim=1))
    return sides[0], sides[1]


def moving_span(x: Tensor, y: Tensor, effective: int) -> Tensor:
    """An orthonormal basis (dim, m) of the span that simulated embeddings can move in: m is `effective` + 2 at most."""
    constants = torch.stack([x[0, effective:], y[0, effective:]], dim=1)
    directions, _ = torch.linalg.qr(constants)
    basis = torch.zeros(x.shape[1], effective + directions.shape[1], dtype=x.dtype)
    basis[:effective, :effective] = torch.eye(effective, dtype=x.dtype)
    basis[effective:, effective:] = directions
    return basis


def contrastive_step(
    x: Tensor, y: Tensor, temperature: float, learning_rate: float, scratch: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of gradient descent on the contrastive loss (Section 2.3) of unit rows (n, d), which stay of unit norm.

    Also returns the loss before the step. The gradient is that of the loss of normalized rows, in closed form: both
    softmaxes share one matrix of exponentials. Steps that share a `scratch` (2, n, n) save the time to allocate it.

    >>> x = torch.eye(2)
    >>> round(contrastive_step(x, x, 1.0, 0.1)[2].item(), 4)
    0.3133
    """
    n = len(x)
    odds, weights = x.new_empty(2, n, n) if scratch is None else scratch
    largest = x.new_tensor([-1 / temperature])  # the cosine of unit rows is at most 1
    torch.addmm(largest, x, y.T, alpha=1 / temperature, out=odds).exp_()
    matched = odds.diagonal().clone()
    of_x, of_y = odds.sum(1), odds.sum(0)
    loss = (of_x.log() + of_y.log()).mean() / 2 - matched.log().mean()
    torch.add((1 / of_x).unsqueeze(1), 1 / of_y, out=weights).mul_(odds)  # p(y_j | x_i) + p(x_i | y_j)
    weights.diagonal().sub_(2)
    rate = learning_rate / (2 * n * temperature)
    moved = []
    for rows, gradient in ((x, weights @ y), (y, weights.T @ x)):
        along = (gradient * rows).sum(1, keepdim=True)
        moved.append(normalize(rows - rate * (gradient - along * rows), dim=1))
    return moved[0], moved[1], loss


def train(
    x: Tensor, y: Tensor, setting: Setting, steps: int, learning_rate: float, *, quiet: bool = False
) -> tuple[Tensor, Tensor, Trace]:
    """Train simulated embeddings (n, dim) freely, and return them with the trace. Steps are taken in x's dtype."""
    basis = moving_span(x.double(), y.double(), setting.effective).to(x.dtype)
    x, y = x @ basis, y @ basis
    trace, scratch = Trace(), x.new_empty(2, len(x), len(x))
    noted = {0, steps, *np.unique(np.geomspace(1, steps, POINTS).round().astype(int)).tolist()}
    with progress_bar("training embeddings", total=steps, quiet=quiet) as bar:
        for step in range(steps + 1):
            next_x, next_y, loss = contrastive_step(x, y, setting.temperature, learning_rate, scratch)
            if step in noted:
                gap = x.double().mean(0) - y.double().mean(0)
                trace.steps.append(step)
                trace.gap.append(gap.norm().item())
                trace.ineffective.append(gap[setting.effective :].norm().item())
                trace.loss.append(loss.item())
            if step < steps:
                x, y = next_x, next_y
                bar.advance()
    return x @ basis.T, y @ basis.T, trace


def study(
    *,
    seed: int = 0,
    steps: int = 1000,
    learning_rate: float = 0.1,
    quiet: bool = False,
    setting: Setting = Setting(),
) -> Study:
    """Train the simulated embeddings, and compare the gap before and after with Figure 4."""
    if steps < 1 or not learning_rate > 0:
        raise WrongCall(f"give at least 1 step and a learning rate above 0, not {steps} and {learning_rate}.")
    before = simulated(setting, seed)
    x, y, trace = train(before[0].float(), before[1].float(), setting, steps, learning_rate, quiet=quiet)
    variances = {
        "before": [side.var(0).tolist() for side in before],
        "after": [side.double().var(0).tolist() for side in (x, y)],
    }
    after = np.array(variances["after"])
    ineffective = setting.dim - setting.effective
    passed = next((step for step, gap in zip(trace.steps, trace.ineffective, strict=True) if gap <= 0.82), None)
    rows = [
        Row("gap over all dimensions, before", trace.gap[0], 1.21),
        Row(f"gap over the {ineffective} ineffective ones, before", trace.ineffective[0], 0.99),
        Row(f"the same after {steps:,} steps (paper: 200,000)", trace.ineffective[-1], 0.82),
        Row(f"gap over all dimensions, after {steps:,} steps", trace.gap[-1]),
        Row("mean variance of an ineffective dimension, after", after[:, setting.effective :].mean().item(), 0, ".1e"),
        Row("mean variance of an effective dimension, after", after[:, : setting.effective].mean().item(), form=".1e"),
        Row("loss, before", trace.loss[0]),
        Row("loss, after", trace.loss[-1], form=".3f"),
        Row("steps until the ineffective gap is 0.82", "not reached" if passed is None else passed, form=",d"),
    ]
    notes = [
        "The paper names no optimizer. Here it is gradient descent, with rows set to unit length after each step.",
        "In the ineffective dimensions the gradient is zero on average, so training does not close the gap there. It"
        " shrinks because rows are of unit length while their effective dimensions grow.",
    ]
    curves = {**vars(trace), "variances": variances}
    title = "Figure 4: the gap before and after training"
    return Study(title, rows, lambda: _draw(setting, trace, variances), notes, curves)


def _draw(setting: Setting, trace: Trace, variances: dict[str, list[list[float]]]) -> Any:
    figure, axes = new_figure(1, 3, width=4.2, height=3.4)
    top = 1.15e3 * max(max(side) for sides in variances.values() for side in sides)
    for axis, (when, sides) in zip(axes[0], variances.items(), strict=False):
        for values, color, name in zip(sides, (BLUE, ORANGE), ("image", "text"), strict=True):
            scaled = 1e3 * np.array(values)
            plain(axis).plot(range(setting.dim), scaled, ".", markersize=2.5, color=color, label=name)
        axis.axvline(setting.effective, color=GREY, linestyle="--", linewidth=1)
        ineffective = f"{setting.dim - setting.effective} ineffective"
        axis.text(setting.effective + 6, top, ineffective, fontsize=8, color=GREY, va="top")
        axis.set_ylim(-0.03 * top, 1.02 * top)
        axis.set_xlabel("dimension", fontsize=9)
        axis.set_ylabel("variance × 1,000", fontsize=9)
        steps = 0 if when == "before" else trace.steps[-1]
        axis.set_title(f"{when.capitalize()}: {steps:,} steps", fontsize=10)
        axis.legend(fontsize=8, loc="center right", markerscale=4, frameon=False)
    curve = plain(axes[0][2])
    for values, color, name in (
        (trace.gap, GREY, "all dimensions"),
        (trace.ineffective, BLUE, "ineffective dimensions"),
    ):
        curve.plot([max(step, 0.5) for step in trace.steps], values, color=color, label=name)
    curve.axhline(0.82, color=ORANGE, linestyle=":", linewidth=1.2, label="paper, after 200,000 steps")
    curve.set_xscale("log")
    curve.set_ylim(0, 1.1 * trace.gap[0])
    curve.set_xlabel("step", fontsize=9)
    curve.set_ylabel("length of the gap", fontsize=9)
    curve.set_title("The gap while training", fontsize=10)
    curve.legend(fontsize=8, loc="lower left", frameon=False)
    return figure
