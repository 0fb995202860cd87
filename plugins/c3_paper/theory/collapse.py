"""Figures 3 and 12: the singular values of a space without training and of the trained one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from c3_paper.theory.spaces import SPACE, TABLE, Embedded, embed_both
from c3_paper.theory.study import BLUE, ORANGE, Row, Study, plain
from c3core.statistics import effective_dimension, new_figure, singular_values

PAPER = {"image": 25, "text": 230}  # of 512, a random CLIP ViT-B/32 on COCO
LEAST = 1e-9  # smaller values, relative to the largest, are rounding and are not drawn


def study(
    *,
    seed: int = 0,
    quiet: bool = False,
    space: str = SPACE,
    untrained: str | None = None,
    table: str = TABLE,
    root: Path | None = None,
) -> Study:
    """Measure the effective dimension of each modality in a space without training and in the trained one."""
    found = embed_both(space, untrained, table, root, seed=seed, quiet=quiet)
    spectra = [_spectra(one) for one in found]
    rows = []
    for one, values in zip(found, spectra, strict=True):
        for modality, of in values.items():
            paper = PAPER.get(modality) if one.kind == "untrained" else None
            figure = f"effective dimension of {one.dim}, {modality}, {one.kind}"
            rows.append(Row(figure, effective_dimension(of), paper, "d"))
        if len(values) == 2:
            x, y = one.by_modality.values()
            rows.append(Row(f"distance of the two means, {one.kind}", (x.mean(0) - y.mean(0)).norm().item()))
    counts = {modality: len(embeddings) for modality, embeddings in found[0].by_modality.items()}
    notes = [
        f"{' and '.join(one.name for one in found)} on {table}: "
        + ", ".join(f"{count:,} {modality}" for modality, count in counts.items())
        + " items. The paper's are of a random CLIP ViT-B/32 on COCO, of 512 dimensions."
    ]
    if few := [modality for modality, count in counts.items() if count <= 2 * found[0].dim]:
        notes.append(f"Too few items of {', '.join(few)} for {found[0].dim} dimensions: that lowers the figure.")
    curves = {
        one.kind: {modality: of.tolist() for modality, of in values.items()}
        for one, values in zip(found, spectra, strict=True)
    }
    title = "Figures 3 and 12: dimensional collapse"
    return Study(title, rows, lambda: _draw(found, spectra), notes, curves)


def _spectra(one: Embedded) -> dict[str, Tensor]:
    """The singular values (dim,) of the covariance of each modality."""
    return {modality: singular_values(rows.double().T.cov()) for modality, rows in one.by_modality.items()}


def _draw(found: Sequence[Embedded], spectra: Sequence[dict[str, Tensor]]) -> Any:
    figure, axes = new_figure(1, len(found), width=5.2, height=3.8)
    largest = max(float(of[0]) for values in spectra for of in values.values())
    for axis, one, values in zip(axes[0], found, spectra, strict=True):
        for (modality, of), color in zip(values.items(), (BLUE, ORANGE), strict=False):
            effective = effective_dimension(of)
            shown = of[of > LEAST * largest]
            label = f"{modality}: effective dimension {effective}"
            plain(axis).semilogy(range(1, len(shown) + 1), shown, color=color, label=label)
            axis.plot([effective], [of[effective - 1]], "o", color=color, markersize=6)
            axis.axvline(effective, color=color, linestyle="--", linewidth=1)
        axis.set_xlim(0, one.dim)
        axis.set_ylim(LEAST * largest, 10 * largest)
        axis.set_xlabel("singular value of the covariance, by rank", fontsize=9)
        axis.set_title(
            f"{one.kind.capitalize()}: {one.name}\nof {one.dim} dimensions; dots: 99 % of the sum", fontsize=10
        )
        axis.legend(fontsize=8, loc="upper right", framealpha=1, edgecolor="none")
    return figure
