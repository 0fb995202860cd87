"""The sources of an input: the files of a folder, the lines of a list, the cells of a column, a sentence."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c3core.data.input import Input, is_path
from c3core.data.tables import SAME_AS_TEXT, TABLES, TEXT, header_of, rows_of
from c3core.data.text_files import LIST, decoded, join
from c3core.errors import WrongCall, near


@dataclass(frozen=True)
class Source:
    """One thing to read.

    `id` tells where it was named (`photos/a.jpg`, `captions.txt:7`); `source` is what a reader takes: a path, a
    sentence, or in Python any object that the reader knows.
    """

    id: str
    source: Any


def sources_of(given: Input, root: str | Path | None, text: bool, *, alone: bool) -> Iterator[Source]:
    """The sources of an input that is no plugin's table. With `text` an input that names no file is a sentence.

    Raises `WrongCall` for a missing file that is the only input (`alone`), and for a missing folder, list or table.
    """
    if given.kind == "missing":
        if text and not is_path(given.name):
            return iter([Source(given.name, given.name)])
        no_file = os.path.splitext(given.path)[1].lower() in ("", LIST, *TABLES)
        if text or alone or no_file or given.column is not None or glob.has_magic(given.path):
            raise given.missing(text=text)
        return iter([Source(given.path, given.path)])  # the reader refuses it
    if given.kind == "column":
        return _column(given.path, str(given.column), root, text)
    if given.kind == "csv":
        columns = header_of(given.path)
        more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""  # a table of numbers has hundreds
        named = f"{given.path}:COLUMN ({', '.join(columns[:8])}{more})"
        raise WrongCall(f"{given.path} is a table: say which column, {named}, or the modality if it is one item.")
    if given.kind == "file" and text:
        raise WrongCall(f"{given.path} is no list of texts. Give a .txt with one item per line, or table.csv:column.")
    if given.kind == "list" and os.path.exists(given.path) and not os.path.getsize(given.path):
        raise WrongCall(f"{given.path} is empty. Leave it out, or fill it.")
    return _files(given.files(), root, text, lists=text or not given.is_folder)


def _files(files: Iterable[Input], root: str | Path | None, text: bool, *, lists: bool) -> Iterator[Source]:
    """Files as sources. With `lists` the lines of each .txt are sources; for text other files are skipped."""
    for file in files:
        if lists and file.kind == "list":
            yield from _lines(file.path, root, text)
        elif not text:
            yield Source(file.path, file.path)


def _lines(name: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    for number, line in decoded(name):
        item = line.rstrip("\r\n")
        if item.strip():
            yield Source(f"{name}:{number}", item if text else join(name, root, item.strip()))


def _column(name: str, column: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    header = header_of(name)
    if column == TEXT and column not in header:
        column = next((other for other in SAME_AS_TEXT if other in header), column)
    if column not in header:
        raise WrongCall(f"{name} has no column {column!r}: {near(column, header)}")
    at = header.index(column)
    for number, row in enumerate(rows_of(name), start=1):
        cell = row[at]
        yield Source(f"{name}:{number}", cell if text or not cell.strip() else join(name, root, cell.strip()))
