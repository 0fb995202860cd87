"""The command."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from c3core.cli import Json, Seed
from c3core.errors import warn
from c3core.io import path_of
from c3core.runtime import cell, print_json, print_table

if TYPE_CHECKING:
    from c3core.statistics import Geometry


def geometry(
    embeddings: Annotated[
        list[str],
        typer.Argument(
            help="X Y, or X Y X Y … for several pairs. Each is a store, .npy, .parquet or .safetensors; row i of X"
            " belongs to row i of Y.",
            metavar="X Y",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for geometry.png, spectrum.png (extra plots).", parser=path_of, metavar="<folder>"),
    ] = None,
    one_per: Annotated[
        list[str],
        typer.Option(
            help="Name the item of each row, and measure one row of each item, drawn by the seed: table.csv:column,"
            " plugin:argument:column, or a .txt of one item a line. Once for all pairs of files, or once for each.",
        ),
    ] = [],  # noqa: B006  typer makes a list of its own
    group_size: Annotated[
        int,
        typer.Option(min=2, max=2000, help="Pairs in a random group. Figures are means over at least two groups."),
    ] = 100,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure the modality gap of paired embeddings (Table 1).

    It prints the gap, the noise and the effective dimensions as the paper's Table 1 has them.
    """
    from c3core.errors import WrongCall

    if len(embeddings) % 2:
        raise WrongCall(f"{len(embeddings)} files or stores make no pairs. Name X and Y of each pair: X Y X Y.")
    pairs = list(zip(embeddings[::2], embeddings[1::2], strict=True))
    if len(set(pairs)) < len(pairs):
        raise WrongCall("the same X and Y are named twice. Name each pair once.")
    if len(one_per) not in (0, 1, len(pairs)):
        raise WrongCall(f"--one-per is given {len(one_per)} times. Give it once, or {len(pairs)} times, as the pairs.")
    lists = [_items(name) for name in one_per] if one_per else [None]
    if len(lists) == 1:
        lists *= len(pairs)
    found = {
        name: _measured(name, pair, items, group_size, seed)
        for name, pair, items in zip(_names(pairs), pairs, lists, strict=True)
    }
    if json:
        figures = [{"x": x, "y": y, **of.to_dict()} for (x, y), of in zip(pairs, found.values(), strict=True)]
        print_json(figures if len(pairs) > 1 else figures[0])
    else:
        _print(found)
    if out is not None:  # last, so that the figures are printed even if the plots cannot be written
        from c3core.statistics import plot_geometry

        plot_geometry(found if len(pairs) > 1 else next(iter(found.values())), out)


def _measured(name: str, pair: tuple[str, str], items: list[Hashable] | None, group_size: int, seed: int) -> Geometry:
    """Measure one pair of files, and put its name before each warning."""
    from c3core.statistics import measure_geometry

    x, y = map(_side, pair)
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return measure_geometry(x, y, group_size=group_size, seed=seed, one_per=items)
    finally:  # also what was warned of before an error
        for warning in caught:
            warn(f"{name}: {warning.message}")


def _side(name: str) -> Any:
    """The embeddings of one side. A store stays one, since two of one table are paired by its rows."""
    from c3_paper.geometry.array_files import load_embeddings
    from c3core import Store

    return Store.open(name) if path_of(name).is_dir() else load_embeddings(name)


def _items(name: str) -> list[Hashable]:
    from c3core.data import Items, key_of, load_items
    from c3core.errors import WrongCall

    items = load_items(name, "text")
    if not isinstance(items, Items):
        raise WrongCall(f"{name} is a store. Name a list or a column with the item of each row: table.csv:column.")
    held = list(items)
    return [key_of(item) for item in held]


def _names(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A name of each pair: its files with as few of their folders as tell the pairs apart."""
    parts = [tuple(path_of(side).parts for side in pair) for pair in pairs]
    for depth in range(1, max(len(side) for pair in parts for side in pair) + 1):
        names = [" ".join("/".join(side[-depth:]) for side in pair) for pair in parts]
        if len(set(names)) == len(pairs):
            return names
    return [" ".join(pair) for pair in pairs]  # one path, spelled in two ways


def _print(found: dict[str, Geometry]) -> None:
    columns = {name: of.to_dict() for name, of in found.items()}
    statistics = next(iter(columns.values()))
    rows = [
        {"statistic": statistic} | {name: _shown(figures[statistic]) for name, figures in columns.items()}
        for statistic in statistics
    ]
    print_table(rows, ["statistic", *columns])


def _shown(value: Any) -> str:
    if isinstance(value, dict) and {"mean", "std"} <= value.keys():
        return f"{value['mean']:.4f} ± {value['std']:.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(of)}" for name, of in value.items())
    return f"{value:.4f}" if isinstance(value, float) else cell(value)
