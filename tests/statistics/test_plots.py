"""Plots of a geometry, from pairs with a known gap and noise."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from c3core.errors import C3Error
from c3core.statistics.geometry import Geometry, Spread, measure_geometry
from c3core.statistics.plots import histograms, new_figure, plot_geometry, spectra
from tests.helpers.pairs import unit_pairs

PANELS = ("gap_length", "gap_direction", "gap_span_x", "gap_span_y", "noise_mean", "noise_cosine")


@pytest.fixture(scope="module")
def measured() -> Geometry:
    return measure_geometry(*unit_pairs(600, noise=0.4, span=8, dim=16))


def test_the_panels_hold_every_value_and_name_the_figures(measured: Geometry) -> None:
    axes = histograms({"CLIP": measured, "again": measured}).axes
    assert len(axes) == 12
    for axis, statistic in zip(axes, 2 * PANELS, strict=True):
        heights = sum(patch.get_height() for patch in axis.patches)
        assert heights == len(measured.values[statistic])  # nothing falls outside the axis
        spread = getattr(measured, statistic)
        (text,) = (text.get_text() for text in axis.texts)
        shown = [float(part) for part in text.split("\n± ")]
        assert shown == pytest.approx([spread.mean, spread.std], abs=0.0051)
    assert axes[0].get_ylabel() == "CLIP\n6 groups of 100 pairs"
    assert axes[0].get_xlim()[0] == 0.0


def test_the_spectrum_marks_the_effective_dimensions(measured: Geometry) -> None:
    (axis,) = spectra({"": measured}).axes
    labels = [text.get_text() for text in axis.get_legend().get_texts()]
    assert labels == [
        "x: effective dimension 8 of 16",
        "y: effective dimension 8 of 16",
        "noise: effective dimension 8 of 16",
    ]
    curves = [line for line in axis.lines if line.get_linestyle() == "-"]
    np.testing.assert_allclose(curves[1].get_ydata(), measured.spectrum["y"][:8])  # zero is not drawn on a log scale
    assert [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [8, 8, 8]


def test_a_panel_has_a_title_and_a_range_and_marks_the_mean(measured: Geometry) -> None:
    figure = histograms({"": measured, "again": measured})
    first, second = figure.axes[:6], figure.axes[6:]
    titles = [axis.get_title() for axis in first]
    assert len({*titles}) == len([title for title in titles if title.count("\n") == 1]) == 6
    assert {axis.get_title() for axis in second} == {""}
    assert [axis.get_ylabel() for axis in figure.axes[::6]] == [
        "6 groups of 100 pairs",
        "again\n6 groups of 100 pairs",
    ]
    assert figure.get_layout_engine() is not None  # without it, titles lie over each other
    assert [axis.get_xlim() for axis in first[1:]] == [(-1, 1), (-1, 1), (-1, 1), (-1e-8, 1e-8), (-1, 1)]
    assert first[0].get_xlim()[1] == pytest.approx(1.25 * float(measured.values["gap_length"].max()))
    assert first[5].get_xticks().tolist() == [-1, -0.5, 0, 0.5, 1]
    blue = spectra({"": measured}).axes[0].lines[0].get_color()
    for axis, statistic in zip(first, PANELS, strict=True):
        (line,), (text,) = axis.lines, axis.texts
        assert {*line.get_xdata()} == {getattr(measured, statistic).mean}
        assert line.get_color() == text.get_color() != to_hex(axis.patches[0].get_facecolor())
        low, high = axis.get_xlim()
        mean, side = (line.get_xdata()[0] - low) / (high - low), text.get_position()[0]
        assert abs(mean - side) > 0.35, statistic  # the figure does not cover the mean
        assert text.get_ha() == ("right" if side > 0.5 else "left")
        values = measured.values[statistic].double().numpy()
        expected, _ = np.histogram(values.clip(low, high), bins=60, range=(low, high))
        assert [patch.get_height() for patch in axis.patches] == expected.tolist()
        assert to_hex(axis.patches[0].get_facecolor()) == blue
        assert not axis.get_yticks().size


def test_a_figure_stands_on_the_side_that_the_mean_leaves_free(measured: Geometry) -> None:
    for mean, side in ((-0.9, "right"), (0.9, "left")):
        axis = histograms({"": replace(measured, gap_direction=Spread(mean, 0.1))}).axes[1]
        assert axis.texts[0].get_ha() == side
        assert axis.texts[0].get_text() == f"{mean:.2f}\n± 0.10"
    tiny = histograms({"": replace(measured, gap_direction=Spread(-1e-4, 0.1))}).axes[1]
    assert tiny.texts[0].get_text() == "0.00\n± 0.10"  # without a sign


def test_a_figure_has_panels_of_the_size_that_is_asked_for() -> None:
    figure, axes = new_figure(2, 3, width=2.0, height=1.5)
    assert figure.get_size_inches().tolist() == [6.0, 3.0]
    assert axes.shape == (2, 3)
    assert new_figure(1, 1, width=2.0, height=1.5)[1].shape == (1, 1)


def test_a_curve_has_the_color_of_its_mark_and_a_name(measured: Geometry) -> None:
    figure = spectra({"CLIP": measured, "": measured})
    assert [axis.get_title() for axis in figure.axes] == ["CLIP  (dashed: 99 % of the sum)", "Dashed: 99 % of the sum"]
    for axis in figure.axes:
        assert axis.get_xlabel() == "singular value of the covariance, by rank"
        assert (axis.get_xlim(), axis.get_yscale()) == ((0, 16), "log")
        curves, marks = axis.lines[::2], axis.lines[1::2]
        assert [curve.get_xdata()[0] for curve in curves] == [1, 1, 1]
        assert [curve.get_color() for curve in curves] == [mark.get_color() for mark in marks]
        assert len({curve.get_color() for curve in curves}) == 3


def test_one_measurement_is_drawn_without_a_name(measured: Geometry, tmp_path: Path) -> None:
    one, same = plot_geometry(measured, tmp_path / "one"), plot_geometry({"": measured}, tmp_path / "same")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in same]


def test_files_are_written_as_png(measured: Geometry, tmp_path: Path) -> None:
    paths = plot_geometry(measured, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["geometry.png", "spectrum.png"]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            assert np.asarray(picture.convert("L")).std() > 5  # not blank
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["geometry.png", "spectrum.png"]


@pytest.mark.filterwarnings("ignore:items repeat", "ignore:too few rows")
def test_an_undefined_statistic_is_labelled_undefined(tmp_path: Path) -> None:
    x, _ = unit_pairs(200)
    same = measure_geometry(x, x)
    texts = [[text.get_text() for text in axis.texts] for axis in histograms({"": same}).axes]
    assert texts == [["0.00\n± 0.00"], *[["undefined"]] * 3, ["0.00\n± 0.00"], ["undefined"]]
    assert len(plot_geometry(same, tmp_path)) == 2
    constant = measure_geometry(one := torch.eye(3)[[0]].repeat(200, 1), -one)
    assert len(plot_geometry(constant, tmp_path)) == 2
    with pytest.raises(C3Error, match="no geometry"):
        plot_geometry({}, tmp_path)


def test_matplotlib_is_imported_only_to_plot_and_named_if_it_is_missing() -> None:
    code = (
        "import sys; import c3core.statistics.plots as p; assert 'matplotlib' not in sys.modules; sys.modules['matplotlib.figure'] = None\n"
        "try: p.spectra({})\n"
        "except p.C3Error as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == 'plots need matplotlib. Install it: pip install "c3core[plots]"\n'
