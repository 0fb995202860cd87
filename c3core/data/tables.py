"""Tables of paired sources, a column a modality, and the CSV files that they are read from."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c3core.data.text_files import LONGEST_LINE, check_root, decoded, join
from c3core.errors import C3Error, WrongCall, near
from c3core.registry.discovery import entry, registered
from c3core.registry.factory import call_factory, require_kind

TABLES = (".csv", ".tsv")
COLUMN = re.compile(r"(.+?\.(?:csv|tsv)):(.+)", re.IGNORECASE)
SAME_AS_TEXT = ("caption", "captions")  # names that tables in the wild give to their text


@dataclass(frozen=True)
class Table:
    """Rows of paired sources, one column a modality, all in memory.

    >>> table = Table({"image": ["a.jpg", "a.jpg", "b.jpg"], "text": ["one", "two", "three"]})
    >>> table.rows, table.grouped("image", "text")
    (3, [('a.jpg', ['one', 'two']), ('b.jpg', ['three'])])
    """

    columns: dict[str, list[Any]]

    def __post_init__(self) -> None:
        if len({len(column) for column in self.columns.values()}) > 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in self.columns.items())
            raise WrongCall(f"the columns of a table must be of one length: {lengths}.")

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str) -> list[Any]:
        """One column, by its name or another one of it; a `C3Error` offers near names."""
        return self.columns[self.named(name)]

    def named(self, name: str) -> str:
        """The name that a column has here: `caption` is another one of `text`."""
        if name in SAME_AS_TEXT and name not in self.columns and "text" in self.columns:
            return "text"
        if name not in self.columns:
            raise WrongCall(f"the table has no column {name!r}: {near(name, self.columns)}")
        return name

    def grouped(self, by: str, of: str) -> list[tuple[Any, list[Any]]]:
        """Each input of column `by`, in the order of first appearance, with what stands in `of` on its rows."""
        groups: dict[Any, tuple[Any, list[Any]]] = {}
        for source, target in zip(self.column(by), self.column(of), strict=True):
            groups.setdefault(key_of(source), (source, []))[1].append(target)
        return list(groups.values())


def key_of(source: Any) -> Hashable:
    """What tells a source from others: a path or sentence itself; of an array, or a wave with its rate, the object's
    identity.
    """
    try:
        hash(source)
    except TypeError:
        return id(source)
    return source  # type: ignore[no-any-return]


def load_table(name: str, *, folder: str | Path = "", root: str | Path | None = None) -> Table:
    """A table of paired sources: a CSV file (in `folder`), or `plugin:argument` for one that a plugin makes.

    Paths in a CSV are relative to it, or to `root`.
    """
    prefix, colon, argument = name.partition(":")
    if colon and prefix in registered("table"):
        table: Table = call_factory(entry("table", prefix).load(), f"table {name!r}", argument)
        require_kind(table, Table, "table", prefix)
        return table
    return read_table(Path(folder) / name, root=root)


def read_table(path: str | Path, *, root: str | Path | None = None) -> Table:
    """A CSV (or TSV) whose columns are named after modalities; `caption` is accepted for `text`.

    Outside of `text`, a column in which some cell names a file beside the table (or in `root`) is one of paths, and its
    cells become paths from here. Raises `C3Error` for a row of another length than the header, or no rows.
    """
    name = str(path)
    if os.path.isdir(name):
        raise WrongCall(f"{name} is a folder, not a table. Name a .csv or .tsv file.")
    check_root(root)
    header = header_of(name)
    places: dict[str, int] = {}
    for at, column in enumerate(header):  # of several names of the text, the first
        places.setdefault("text" if column in SAME_AS_TEXT and "text" not in header else column, at)
    found: dict[str, list[Any]] = {modality: [] for modality in places}
    for row in rows_of(name):
        for modality, at in places.items():
            found[modality].append(row[at])
    table = Table(found)
    if not table.rows:
        raise WrongCall(f"{name} has a header but no rows. Fill it.")
    for modality in found.keys() - {"text"}:
        found[modality] = _paths(name, root, found[modality])
    return table


def _paths(table: str, root: str | Path | None, cells: list[str]) -> list[str]:
    joined = [join(table, root, cell.strip()) if cell.strip() else cell for cell in cells]
    return joined if any(path and os.path.exists(path) for path in joined) else cells


def header_of(name: str) -> list[str]:
    """The columns that a CSV names in its first line; a `C3Error` where there are none, or one twice."""
    with _table(name) as rows:
        header = [cell.strip() for cell in next(rows, [])]
    if not any(header):
        raise WrongCall(f"{name} is empty. It needs a first line that names its columns.")
    twice = {column for column in header if header.count(column) > 1}
    if twice:
        raise WrongCall(f"{name} names a column twice: {', '.join(sorted(twice))}. Rename one.")
    return header


def rows_of(name: str) -> Iterator[list[str]]:
    """The rows below the header; each as long as the header."""
    with _table(name) as rows:
        header = next(rows)
        for number, row in enumerate(filter(None, rows), start=1):
            if len(row) != len(header):
                raise C3Error(
                    f"{name}: row {number} has {len(row)} cells, the header {len(header)}."
                    " Put a cell that holds a comma or a line break in quotes."
                )
            yield row


@contextmanager
def _table(name: str) -> Iterator[Iterator[list[str]]]:
    lines = (line for _, line in decoded(name))
    delimiter = "\t" if name.lower().endswith(".tsv") else ","
    csv.field_size_limit(
        max(csv.field_size_limit(), LONGEST_LINE)
    )  # the whole process's, 128 KB until somebody says else
    rows = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter == ",")
    try:
        yield rows
    except csv.Error as error:
        hint = "A quote may be left open, or stand single inside a cell."
        raise C3Error(f"{name}: the row that ends at line {rows.line_num} is no CSV ({error}). {hint}") from error
