"""Read tables of paired sources, with a column for each modality, from CSV and TSV files or from plugins."""

from __future__ import annotations

import csv
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c3core.data.text_files import LONGEST_LINE, check_root, decoded, join
from c3core.errors import CorruptFile, WrongCall, near
from c3core.io.layout import path_of
from c3core.io.validation import by_position
from c3core.registry.discovery import entry, registered
from c3core.registry.factory import call_factory, require_kind

TABLES = (".csv", ".tsv")
TEXT = "text"  # the modality of words: where no reader is at hand, it is known by this name
SAME_AS_TEXT = ("caption", "captions")  # columns of this name hold text as well


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of paired sources in memory, with a column for each modality: a list, an array or a pandas Series.

    Rows are paired by position. Raises `WrongCall` if the columns are not of one length.

    >>> table = Table({"image": ["a.jpg", "a.jpg", "b.jpg"], "text": ["one", "two", "three"]})
    >>> table.rows, table.grouped("image", "text")
    (3, [('a.jpg', ['one', 'two']), ('b.jpg', ['three'])])
    """

    columns: Mapping[str, Sequence[Any]]

    def __post_init__(self) -> None:
        columns = {name: by_position(column, f"column {name!r}") for name, column in self.columns.items()}
        object.__setattr__(self, "columns", columns)
        if len({len(column) for column in columns.values()}) > 1:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
            raise WrongCall(f"the columns of a table must be of one length: {lengths}.")

    def __repr__(self) -> str:
        return f"Table({self.rows} rows of {', '.join(self.columns)})"

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values()), []))

    def head(self, count: int | None) -> Table:
        """The first `count` rows; all, if it is None."""
        if count is None or count >= self.rows:
            return self
        return Table({name: [column[row] for row in range(count)] for name, column in self.columns.items()})

    def column(self, name: str) -> Sequence[Any]:
        """One column; `caption` also finds `text`. Raises `WrongCall` for an unknown name, with near names."""
        return self.columns[self.named(name)]

    def named(self, name: str) -> str:
        """The name that a column has in this table."""
        if name in SAME_AS_TEXT and name not in self.columns and TEXT in self.columns:
            return TEXT
        if name not in self.columns:
            raise WrongCall(f"the table has no column {name!r}: {near(name, self.columns)}")
        return name

    def grouped(self, by: str, of: str) -> list[tuple[Any, list[Any]]]:
        """Each distinct value of column `by`, in order of appearance, with the values of column `of` on its rows."""
        groups: dict[Any, tuple[Any, list[Any]]] = {}
        for source, target in zip(self.column(by), self.column(of), strict=True):
            groups.setdefault(key_of(source), (source, []))[1].append(target)
        return list(groups.values())


def key_of(source: Any) -> Hashable:
    """A key that is equal for equal paths and sentences, and for the same array or (wave, rate) object."""
    try:
        hash(source)
    except TypeError:
        return id(source)
    return source  # type: ignore[no-any-return]


def load_table(name: str | Path, *, folder: str | Path = "", root: str | Path | None = None) -> Table:
    """Load a table: a CSV or TSV file (in `folder`), or `plugin:argument` for one that a plugin makes.

    Relative paths in the file start at its folder, or at `root`; those in a plugin's argument at `folder`. Raises
    `C3Error` as `read_table` does.
    """
    prefix, colon, argument = str(name).partition(":")
    if colon and prefix in registered("table"):
        factory = entry("table", prefix).load()
        table: Table = call_factory(factory, f"table {name!r}", argument, needed={"folder": path_of(folder)})
        require_kind(table, Table, "table", prefix)
        return table
    return read_table(path_of(folder) / path_of(name), root=root)


def is_table(name: str) -> bool:
    """Whether an input is `plugin:argument`, a table that a plugin makes, or a column of it."""
    prefix, colon, argument = name.partition(":")
    return bool(colon) and prefix in registered("table") and argument == argument.strip()


def refuse_unused_root(root: str | Path | None, names: Sequence[str]) -> None:
    """Raise `WrongCall` if `root` is given with tables of plugins only, whose arguments name their folders."""
    if root is not None and all(map(is_table, names)):
        raise WrongCall(f"root has no effect on {names[0]}: a plugin's table names its folders itself. Leave it out.")


def read_table(path: str | Path, *, root: str | Path | None = None) -> Table:
    """Read a CSV or TSV file whose columns are named after modalities, or `caption` for text.

    If a cell of another column names a file in the table's folder (or in `root`), all cells of the column are taken as
    paths from there. Raises `C3Error` for a missing file, a row of another length than the header, or no rows.
    """
    name = str(path_of(path))
    if os.path.isdir(name):
        raise WrongCall(f"{name} is a folder, not a table. Name a .csv or .tsv file.")
    if os.path.exists(name) and not name.lower().endswith(TABLES):
        raise WrongCall(f"{name} is no table: save it as .csv or .tsv, or name a table of a plugin.")
    check_root(root)
    header = header_of(name)
    places: dict[str, int] = {}
    for at, column in enumerate(header):  # take the first of several columns of text
        places.setdefault(TEXT if column in SAME_AS_TEXT and TEXT not in header else column, at)
    rows = list(rows_of(name))
    if not rows:
        raise WrongCall(f"{name} has a header but no rows. Fill it.")
    columns = {modality: [row[at] for row in rows] for modality, at in places.items()}
    return Table(
        {modality: cells if modality == TEXT else _paths(name, root, cells) for modality, cells in columns.items()}
    )


def _paths(table: str, root: str | Path | None, cells: list[str]) -> list[str]:
    joined = [join(table, root, cell.strip()) if cell.strip() else cell for cell in cells]
    return joined if any(path and os.path.exists(path) for path in joined) else cells


def header_of(name: str) -> list[str]:
    """The names of a table's columns, from its first line.

    Raises `WrongCall` if there are none, or one twice, and `CorruptFile` if another mark separates them.
    """
    header = [cell.strip() for cell in next(_cells(name), [])]
    if not any(header):
        raise WrongCall(f"{name} is empty. It needs a first line that names its columns.")
    mark, others = ("tabs", ";,") if _is_tsv(name) else ("commas", ";\t")
    if len(header) == 1 and (found := [other for other in others if other in header[0]]):
        raise CorruptFile(f"{name} separates its columns by {found[0]!r}. Save it with {mark}, as its suffix says.")
    twice = {column for column in header if header.count(column) > 1}
    if twice:
        raise WrongCall(f"{name} names a column twice: {', '.join(sorted(twice))}. Rename one.")
    return header


def rows_of(name: str) -> Iterator[list[str]]:
    """The rows below the header. Raises `C3Error` for a row of another length than the header."""
    rows = _cells(name)
    header = next(rows, [])
    for number, row in enumerate(filter(None, rows), start=1):
        if len(row) != len(header):
            hint = "Put a cell that holds a comma or a line break in quotes"
            if _is_tsv(name):
                hint = "A cell of a .tsv holds no tab and no line break: save the table as .csv"
            raise CorruptFile(f"{name}: row {number} has {len(row)} cells, the header {len(header)}. {hint}.")
        yield row


def _is_tsv(name: str) -> bool:
    return name.lower().endswith(".tsv")


def _cells(name: str) -> Iterator[list[str]]:
    """The cells of each row. In a .tsv a quote is a character like others.

    Raises `CorruptFile` with the line of a quote that is left open in a .csv, or of a cell of a .tsv that is quoted as
    in a .csv: its quotes would become part of the text.
    """
    lines = (line for _, line in decoded(name))
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))  # of the whole process, by default 128 KB
    if _is_tsv(name):
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(lines, strict=True, skipinitialspace=True)
    try:
        for row in rows:
            if _is_tsv(name) and any(map(_is_quoted, row)):
                raise CorruptFile(f"{name}: line {rows.line_num} has a cell in quotes. Save the table as .csv.")
            yield row
    except csv.Error as error:
        hint = "A quote may be left open, or stand single inside a cell."
        raise CorruptFile(f"{name}: the row that ends at line {rows.line_num} is no CSV ({error}). {hint}") from error


def _is_quoted(cell: str) -> bool:
    """Whether a cell holds a quote, and is for that in quotes itself with that one doubled, as in a .csv."""
    inside = cell[1:-1]
    return cell[:1] == cell[-1:] == '"' and '""' in inside and '"' not in inside.replace('""', "")
