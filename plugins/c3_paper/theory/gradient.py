"""Lemma 1: the gradient of the contrastive loss, as printed and as it is.

The lemma's proof needs Σ_i p(x_k | y_i) = 1. But that softmax runs over k, and only its sums over k are 1. The printed
gradient lacks the term λ (Σ_j p(x_i | y_j) − 1) e_yi. What the paper concludes holds on average: along a coordinate
that all rows of a modality share, the mean gradient of the other modality is zero, since the mean of these sums is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3_paper.theory.study import BLUE, GREEN, ORANGE, Row, Study, plain
from c3core.spaces import info_nce
from c3core.statistics import new_figure

TEMPERATURE = 0.07  # CLIP's at the start of its training
SHARED = 0.4  # the last coordinate: SHARED of each x and −SHARED of each y, a gap of 0.8
SIZES = ((8, 8), (50, 16), (200, 64), (1000, 512))  # pairs and dimensions
DRAWS = 20
TEMPERATURES = (0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Gradients:
    """Gradients (n, d) of the loss with respect to x: as torch derives it, as printed, and with the missing term.

    `sums` (n,) are Σ_j p(x_i | y_j), which the proof takes for 1.
    """

    true: Tensor
    printed: Tensor
    corrected: Tensor
    sums: Tensor

    def miss(self, other: Tensor) -> float:
        """How far a gradient is from the true one, as a share of its length."""
        return float((other - self.true).norm() / self.true.norm())


def random_pairs(n: int, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Unit rows (n, dim), float64, random but for the last coordinate, which a modality shares."""
    generator = torch.Generator().manual_seed(seed)
    sides = []
    for shared in (SHARED, -SHARED):
        rows = normalize(torch.randn(n, dim - 1, generator=generator, dtype=torch.float64), dim=1)
        constant = torch.full((n, 1), shared, dtype=torch.float64)
        sides.append(torch.cat([rows * (1 - shared**2) ** 0.5, constant], dim=1))
    return sides[0], sides[1]


def gradients(x: Tensor, y: Tensor, temperature: float) -> Gradients:
    """The gradients of the contrastive loss of unit rows (n, d) with respect to x."""
    leaf = x.clone().requires_grad_()
    (true,) = torch.autograd.grad(info_nce(leaf, y, 1 / temperature), leaf)
    scores = x @ y.T / temperature
    of_x = scores.softmax(dim=0)  # p(x_i | y_j)
    alpha = scores.softmax(dim=1) + of_x  # p(y_j | x_i) + p(x_i | y_j)
    scale, sums = 1 / (2 * len(x) * temperature), of_x.sum(1)
    printed = scale * (alpha @ y - alpha.sum(1, keepdim=True) * y)
    return Gradients(true, printed, printed + scale * (sums - 1).unsqueeze(1) * y, sums)


def misses(n: int, dim: int, temperature: float, seed: int) -> list[float]:
    """By how much the printed gradient of random pairs misses, as a share of the true one, for each of some draws."""
    draws = DRAWS if n < 1000 else 1  # many pairs differ little between draws
    found = (gradients(*random_pairs(n, dim, seed + draw), temperature) for draw in range(draws))
    return [one.miss(one.printed) for one in found]


def study(*, seed: int = 0, quiet: bool = False, sizes: tuple[tuple[int, int], ...] = SIZES) -> Study:
    """Compare the gradient of Lemma 1 with automatic differentiation on random pairs."""
    by_temperature = {size: [misses(*size, temperature, seed) for temperature in TEMPERATURES] for size in sizes}
    at = TEMPERATURES.index(TEMPERATURE)
    means = {size: [fmean(values) for values in swept] for size, swept in by_temperature.items()}
    rows = []
    for (n, dim), values in means.items():
        figure = f"miss of the printed gradient, {n:,} pairs in {dim} dimensions"
        rows.append(Row(figure, values[at], 0, ".1%"))
    smallest = by_temperature[sizes[0]][at]
    rows.append(Row(f"miss of {sizes[0][0]} pairs, least of {len(smallest)} draws", min(smallest), 0, ".1%"))
    rows.append(Row(f"miss of {sizes[0][0]} pairs, greatest of {len(smallest)} draws", max(smallest), 0, ".1%"))
    n, dim = sizes[-1]
    figure = f"miss of {n:,} pairs at temperature {TEMPERATURES[0]}"
    rows.append(Row(figure, means[sizes[-1]][0], 0, ".1%"))
    largest = gradients(*random_pairs(n, dim, seed), TEMPERATURE)
    along = largest.true[:, -1]
    rows += [
        Row(f"miss of {n:,} pairs with the missing term", largest.miss(largest.corrected), form=".1e"),
        Row("least Σ_j p(x_i | y_j)", largest.sums.min().item(), 1.0),
        Row("greatest Σ_j p(x_i | y_j)", largest.sums.max().item(), 1.0),
        Row("gradient along the shared coordinate, mean", along.mean().item(), 0, ".1e"),
        Row("gradient along the shared coordinate, standard deviation", along.std().item(), 0, ".1e"),
    ]
    notes = [
        f"At temperature {TEMPERATURE} if none is named. Misses are means of {DRAWS} draws, of {n:,} pairs of one.",
        "The lemma is no identity, since its proof takes the sums Σ_j p(x_i | y_j) for 1. What it is used for holds on"
        " average: the mean gradient along the coordinate that a modality shares is zero, so its gap stays.",
    ]
    curves = {
        "temperature": list(TEMPERATURES),
        "miss": [{"pairs": n, "dim": dim, "values": values} for (n, dim), values in means.items()],
    }
    title = "Lemma 1: the gradient as printed and as torch derives it"
    return Study(title, rows, lambda: _draw(largest, means), notes, curves)


def _draw(largest: Gradients, by_temperature: dict[tuple[int, int], list[float]]) -> Any:
    figure, axes = new_figure(1, 3, width=4.2, height=3.4)
    miss, sums, along = map(plain, axes[0])
    colors = (GREEN, "#8c6bb1", ORANGE, BLUE)
    for ((n, dim), values), color in zip(by_temperature.items(), colors, strict=False):
        percent = [100 * value for value in values]
        miss.semilogx(TEMPERATURES, percent, ".-", color=color, label=f"{n:,} pairs, {dim} dimensions")
    miss.axvline(TEMPERATURE, color="#bbbbbb", linestyle="--", linewidth=1)
    miss.set_xticks([0.01, 0.03, 0.07, 0.2, 1.0], ["0.01", "0.03", "0.07", "0.2", "1"])
    miss.minorticks_off()
    miss.set_ylim(0, 1.3 * miss.get_ylim()[1])
    miss.set_xlabel("temperature", fontsize=9)
    miss.set_ylabel("miss, % of the true gradient", fontsize=9)
    miss.set_title("The printed gradient misses", fontsize=10)
    miss.legend(fontsize=8, frameon=False)
    sums.hist(largest.sums.numpy(), bins=40, color=BLUE)
    sums.axvline(1, color=ORANGE, linewidth=1.2, label="what the proof needs")
    sums.set_xlabel("Σ$_j$ p(x$_i$ | y$_j$)", fontsize=9)
    sums.set_title("The sums that the proof takes for 1", fontsize=10)
    pushes = len(largest.true) * largest.true[:, -1].numpy()
    along.hist(pushes, bins=40, color=BLUE)
    along.axvline(pushes.mean(), color=ORANGE, linewidth=1.2, label=f"mean: {pushes.mean():.0e}")
    along.set_xlabel("n × gradient of a row along the shared coordinate", fontsize=9)
    along.set_title("No push on average", fontsize=10)
    for axis in (sums, along):
        axis.set_yticks([])
        axis.spines["left"].set_visible(False)
        axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
        axis.legend(fontsize=8, loc="upper right", frameon=False)
    return figure
