"""Draw the geometry of a space as PNG files. This needs matplotlib: pip install "c3core[plots]"."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from c3core.errors import C3Error, NotInstalled
from c3core.io.files import atomic_write
from c3core.io.layout import path_of
from c3core.statistics.geometry import Geometry

_BLUE, _ORANGE, _GREEN, _GREY = "#3b6fb6", "#d98032", "#3f8f5b", "#777777"
_PANELS = {  # statistic: (title, meaning, range of the axis or None to fit it)
    "gap_length": ("Gap length ‖d‖", "narrow: a constant length", None),
    "gap_direction": ("Gap direction cos(d, d′)", "near 1: a constant direction", (-1.0, 1.0)),
    "gap_span_x": ("Gap and span of x cos(d, r)", "narrow around 0: orthogonal", (-1.0, 1.0)),
    "gap_span_y": ("Gap and span of y cos(d, r)", "narrow around 0: orthogonal", (-1.0, 1.0)),
    "noise_mean": ("Noise mean E[ε]ₖ", "0 by construction", (-1e-8, 1e-8)),
    "noise_cosine": ("Noise direction cos(ε, ε′)", "narrow around 0: random", (-1.0, 1.0)),
}


def plot_geometry(geometry: Geometry | Mapping[str, Geometry], folder: str | PathLike[str]) -> list[Path]:
    """Write `geometry.png` and `spectrum.png` into a folder, and return the two paths.

    The first shows the statistics of the gap and the noise (Figures 8 and 9 of the C3 paper), a row for each
    measurement; the second the singular values with the effective dimension (Figures 3 and 12).
    """
    measured = geometry if isinstance(geometry, Mapping) else {"": geometry}
    if not measured:
        raise C3Error("there is no geometry to plot. Measure one: measure_geometry(x, y).")
    folder = path_of(folder)
    return [
        save_figure(histograms(measured), folder / "geometry.png"),
        save_figure(spectra(measured), folder / "spectrum.png"),
    ]


def new_figure(rows: int, columns: int, *, width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of matplotlib and its axes (rows, columns), each `width` by `height` inches.

    Raises `NotInstalled` without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NotInstalled('plots need matplotlib. Install it: pip install "c3core[plots]"') from None
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure as a PNG file, whole or not at all, and return its path."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150)
    return path


def histograms(measured: Mapping[str, Geometry]) -> Any:
    """A figure of the statistics of each measurement, by name."""
    figure, axes = new_figure(len(measured), len(_PANELS), width=2.8, height=2.9)
    figure.get_layout_engine().set(wspace=0.06)  # so that the last tick of a panel does not touch the first of the next
    for axis, (title, meaning, _) in zip(axes[0], _PANELS.values(), strict=True):
        axis.set_title(f"{title}\n{meaning}", fontsize=9)
    for row, (name, geometry) in zip(axes, measured.items(), strict=True):
        for axis, (statistic, (_, _, limits)) in zip(row, _PANELS.items(), strict=True):
            spread, values = getattr(geometry, statistic), geometry.values[statistic].double().numpy()
            axis.set_yticks([])
            axis.spines[["top", "right", "left"]].set_visible(False)
            axis.tick_params(labelsize=8)
            if spread is None:
                axis.text(0.5, 0.5, "undefined", transform=axis.transAxes, ha="center", color=_GREY)
                continue
            low, high = limits or (0.0, 1.25 * values.max() or 1.0)
            axis.hist(values.clip(low, high), bins=60, range=(low, high), color=_BLUE)
            axis.set_xlim(low, high)
            if limits:
                axis.set_xticks([low, low / 2, 0, high / 2, high])
            axis.axvline(spread.mean, color=_ORANGE, linewidth=1)
            # Write the figure on the free side of the panel.
            at, align = (0.98, "right") if spread.mean < low + 0.6 * (high - low) else (0.02, "left")
            text = f"{spread.mean:.2f}\n± {spread.std:.2f}".replace("-0.00", "0.00")
            axis.text(at, 0.95, text, transform=axis.transAxes, ha=align, va="top", fontsize=10, color=_ORANGE)
        measure = f"{geometry.groups} groups of {geometry.group_size} pairs"
        row[0].set_ylabel(f"{name}\n{measure}" if name else measure, fontsize=9)
    return figure


def spectra(measured: Mapping[str, Geometry]) -> Any:
    """A figure of the singular values of each measurement, by name."""
    figure, axes = new_figure(1, len(measured), width=4.6, height=3.4)
    for axis, (name, geometry) in zip(axes[0], measured.items(), strict=True):
        floor = max(float(values[0]) for values in geometry.spectrum.values()) * 1e-10
        for (which, values), color in zip(geometry.spectrum.items(), (_BLUE, _ORANGE, _GREEN), strict=True):
            effective = geometry.effective_dimension[which]
            label = f"{which}: effective dimension {effective} of {geometry.dim}"
            shown = values[values > floor]  # smaller ones are rounding
            axis.semilogy(range(1, len(shown) + 1), shown, color=color, label=label)
            axis.axvline(effective, color=color, linestyle="--", linewidth=1)
        axis.set_xlim(0, geometry.dim)
        axis.set_xlabel("singular value of the covariance, by rank", fontsize=9)
        axis.set_title(f"{name}  (dashed: 99 % of the sum)" if name else "Dashed: 99 % of the sum", fontsize=9)
        axis.legend(fontsize=8, loc="upper right", framealpha=1, edgecolor="none")
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure
