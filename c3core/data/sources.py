"""Find the sources that an input names: a file, a folder, a glob, a list, a column of a table, or a sentence."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c3core.data.modality import or_words
from c3core.data.tables import COLUMN, SAME_AS_TEXT, TABLES, TEXT, header_of, rows_of
from c3core.data.text_files import LIST, beside, decoded, join
from c3core.errors import C3Error, WrongCall, near
from c3core.io.layout import STORE


@dataclass(frozen=True)
class Source:
    """One thing to read.

    `id` tells where it was named (`photos/a.jpg`, `captions.txt:7`); `source` is what a reader takes: a path, a
    sentence, or in Python any object that the reader knows.
    """

    id: str
    source: Any


def sources_in(name: str, root: str | Path | None, text: bool, *, alone: bool) -> Iterator[Source]:
    """The sources that one input names. With `text` an input that names no file is a sentence.

    Raises `WrongCall` for a missing file that is the only input (`alone`), and for a missing folder, list or table.
    """
    if os.path.isdir(name):
        return _files(files_in(name), root, text, lists=text)
    if os.path.exists(name) or (os.path.islink(name) and not text):  # the reader refuses a broken link
        return _file(name, root, text)
    column = COLUMN.fullmatch(name)
    if column and (not text or os.path.exists(column[1])):
        return _column(column[1], column[2], root, text)
    if _has_match(name):
        return _files(files_in(name), root, text, lists=True)
    if text:
        return iter([Source(name, name)])
    if not alone and not glob.has_magic(name) and os.path.splitext(name)[1].lower() not in ("", LIST, *TABLES):
        return iter([Source(name, name)])  # a missing file, which the reader refuses
    wrong = "matches no file" if glob.has_magic(name) else f"does not exist{beside(name)}"
    raise WrongCall(f"{name} {wrong}. Check the spelling{or_words(name)}.")


def files_in(name: str) -> Iterator[str]:
    """The files of a folder or a glob, in order; the input itself if it is neither."""
    if os.path.isdir(name):
        yield from _walk(name, frozenset())
    elif not os.path.exists(name) and _has_match(name):
        yield from (match for match in sorted(glob.iglob(name, recursive=True)) if not os.path.isdir(match))
    else:
        yield name


def _has_match(name: str) -> bool:
    return glob.has_magic(name) and next(glob.iglob(name, recursive=True), None) is not None


def _file(name: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    """The sources of one file that is an input itself."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in TABLES:
        columns = header_of(name)
        more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""  # a table of numbers has hundreds
        raise WrongCall(f"{name} is a table: say which column, {name}:COLUMN ({', '.join(columns[:8])}{more}).")
    if text and suffix != LIST:
        raise WrongCall(f"{name} is no list of texts. Give a .txt with one item per line, or table.csv:column.")
    if suffix == LIST and not os.path.getsize(name):
        raise WrongCall(f"{name} is empty. Leave it out, or fill it.")
    return _files([name], root, text, lists=True)


def _files(paths: Iterable[str], root: str | Path | None, text: bool, *, lists: bool) -> Iterator[Source]:
    """Files as sources. With `lists` the lines of each .txt are sources; for text other files are skipped."""
    for path in paths:
        if lists and path.lower().endswith(LIST):
            yield from _lines(path, root, text)
        elif not text:
            yield Source(path, path)


def _walk(folder: str, above: frozenset[str]) -> Iterator[str]:
    """The files below a folder, sorted by the parts of their paths, without hidden ones and stores.

    Links to folders are followed, but not into one of the folders `above`.
    """
    here = os.path.realpath(folder)
    if here in above or os.path.isfile(os.path.join(folder, STORE)):
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, _is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise C3Error(f"cannot list {folder}: {error.strerror}. Check its permissions.") from error
    for name, is_folder in found:
        path = os.path.join(folder, name)
        if is_folder:
            yield from _walk(path, above | {here})
        else:  # also a pipe or a socket, which readers refuse
            yield path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()  # `is_dir` raises for a link to itself


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
