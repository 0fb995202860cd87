"""Figure 13: the effective dimension of a random network's features falls with depth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from c3_paper.theory.cone import mean_cosine
from c3_paper.theory.study import BLUE, ORANGE, Row, Study, plain
from c3core.statistics import effective_dimension, new_figure, singular_values

LAYERS, EVERY = 50, 5  # the paper shows the features after every five layers


def features(n: int, dim: int, layers: int, seed: int) -> list[Tensor]:
    """The input (n, dim) ~ N(0, 1) and the output of each block, linear and ReLU, of a random network; float64.

    Weights are Xavier-uniform, biases zero.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    outputs = [rows]
    for _ in range(layers):
        weight = nn.init.xavier_uniform_(torch.empty(dim, dim, dtype=torch.float64), generator=generator)
        rows = (rows @ weight.T).relu()
        outputs.append(rows)
    return outputs


def study(*, seed: int = 0, quiet: bool = False, n: int = 1000, dim: int = 512, layers: int = LAYERS) -> Study:
    """Measure the effective dimension of a random network's features by depth."""
    outputs = features(n, dim, layers, seed)
    spectra = {depth: singular_values(outputs[depth].T.cov()) for depth in range(0, layers + 1, EVERY)}
    effective = {depth: effective_dimension(values) for depth, values in spectra.items()}
    cosines = [mean_cosine(rows) for rows in outputs]
    rows = [
        Row(f"effective dimension of {dim} after {depth} layers", value, form="d") for depth, value in effective.items()
    ]
    rows.append(Row(f"mean cosine of two outputs after {layers} layers", cosines[-1], form=".3f"))
    notes = [
        f"{n:,} inputs ~ N(0, 1). The paper prints no number, only that the effective dimension falls with depth.",
    ]
    curves = {"depth": list(effective), "effective_dimension": list(effective.values()), "mean_cosine": cosines}
    title = "Figure 13: effective dimension by depth of a random network"
    return Study(title, rows, lambda: _draw(spectra, effective, cosines), notes, curves)


def _draw(spectra: dict[int, Tensor], effective: dict[int, int], cosines: list[float]) -> Any:
    from matplotlib import colormaps

    figure, axes = new_figure(1, 2, width=5.2, height=3.8)
    spectrum, by_depth = map(plain, axes[0])
    colors = colormaps["viridis"]
    for depth, values in spectra.items():
        relative = (values / values[0]).clamp_min(1e-12)
        color = colors(0.92 * depth / max(spectra))
        spectrum.semilogy(range(1, len(relative) + 1), relative, color=color, linewidth=1.2, label=f"{depth}")
        at = effective[depth]
        spectrum.plot([at], [relative[at - 1]], "o", color="black", markersize=4, zorder=3)
    spectrum.set_ylim(1e-9, 2)
    spectrum.set_xlabel("singular value of the covariance, by rank", fontsize=9)
    spectrum.set_ylabel("relative to the largest", fontsize=9)
    spectrum.set_title("Dots: 99 % of the sum", fontsize=10)
    spectrum.legend(title="layers", title_fontsize=8, fontsize=7, ncols=3, loc="lower left", frameon=False)
    by_depth.plot(list(effective), list(effective.values()), "o-", color=BLUE, markersize=4)
    by_depth.set_ylim(0)
    by_depth.set_xlabel("layers", fontsize=9)
    by_depth.set_ylabel("effective dimension", fontsize=9, color=BLUE)
    twin = by_depth.twinx()
    twin.spines["top"].set_visible(False)
    twin.tick_params(labelsize=8)
    twin.plot(range(len(cosines)), cosines, color=ORANGE)
    twin.set_ylim(0, 1.02)
    twin.set_ylabel("mean cosine of two outputs", fontsize=9, color=ORANGE)
    by_depth.set_title("Deeper: fewer dimensions, higher cosines", fontsize=10)
    return figure
