"""From inputs to sources: files, folders, globs, lists and columns of tables, one after the other."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from c3core.data.tables import COLUMN, SAME_AS_TEXT, TABLES, TEXT, header_of, rows_of
from c3core.data.text_files import LIST, beside, decoded, join
from c3core.errors import C3Error, WrongCall, near
from c3core.io.layout import STORE


@dataclass(frozen=True)
class Source:
    """One thing to read.

    `id` says where it was named (`photos/a.jpg`, `captions.txt:7`); `source` is what a reader takes: a path, a
    sentence, or in Python anything else that the reader knows.
    """

    id: str
    source: Any


def sources_in(name: str, root: str | Path | None, text: bool, *, alone: bool) -> Iterator[Source]:
    """The sources that one input names. A missing file is an error if it is the only input (`alone`).

    With `text` an input that names no file is a sentence.
    """
    if os.path.isdir(name):
        return _files(files_in(name), root, text, lists=text)
    if os.path.exists(name) or (
        os.path.islink(name) and not text
    ):  # a broken link is for the reader to refuse, as in a folder
        return _file(name, root, text)
    column = COLUMN.fullmatch(name)
    if column and (not text or os.path.exists(column[1])):
        return _column(column[1], column[2], root, text)
    if glob.has_magic(name) and next(_matches(name), None) is not None:
        return _files(files_in(name), root, text, lists=True)
    if text:
        return iter([Source(name, name)])
    suffix = os.path.splitext(name)[1].lower()
    if not (alone or glob.has_magic(name)) and suffix not in (
        "",
        LIST,
        *TABLES,
    ):  # a file, not a mistyped folder
        return iter([Source(_posix(name), name)])
    wrong = "matches no file" if glob.has_magic(name) else f"does not exist{beside(name)}"
    raise WrongCall(f"{name} {wrong}. Check the spelling.")


def files_in(name: str) -> Iterator[str]:
    """The files of a folder or a glob, in order; the input itself if it is neither."""
    if os.path.isdir(name):
        yield from _walk(name, frozenset())
    elif not os.path.exists(name) and glob.has_magic(name) and next(_matches(name), None) is not None:
        yield from (match for match in sorted(_matches(name)) if not os.path.isdir(match))
    else:
        yield name


def _file(name: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    """The sources of one file that was named itself."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in TABLES:
        raise WrongCall(f"{name} is a table: say which column, {name}:COLUMN ({_some(header_of(name))}).")
    if text and suffix != LIST:
        raise WrongCall(f"{name} is no list of texts. Give a .txt of one item a line, or table.csv:column.")
    if suffix == LIST and not os.path.getsize(name):
        raise WrongCall(f"{name} is empty. Leave it out, or fill it.")
    return _files([name], root, text, lists=True)


def _some(names: Sequence[str]) -> str:
    """The first few, and how many more: a file of numbers is taken for a table of hundreds of columns."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _files(paths: Iterable[str], root: str | Path | None, text: bool, *, lists: bool) -> Iterator[Source]:
    """Files as sources; with `lists` a `.txt` stands for its lines. Text has no other files."""
    for path in paths:
        if lists and path.lower().endswith(LIST):
            yield from _lines(path, root, text)
        elif not text:
            yield Source(_posix(path), path)


def _walk(folder: str, above: frozenset[str]) -> Iterator[str]:
    """Files below a folder in the order of their paths' parts. Links to folders are followed, but never in a circle."""
    here = os.path.realpath(folder)
    if here in above:
        return
    if os.path.isfile(os.path.join(folder, STORE)):  # embeddings of such files, and often of these
        return
    for entry in sorted(_listed(folder)):
        name, _, kind = entry.partition("\0")
        path = os.path.join(folder, name)
        if kind:
            yield from _walk(path, above | {here})
        else:  # also a pipe or a socket: readers refuse it by name
            yield path


def _listed(folder: str) -> Iterator[str]:
    """Each name in a folder that is not hidden, and NUL, which no name holds and nothing sorts before; of a folder "/"
    too.
    """
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                if not entry.name.startswith("."):
                    is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
                    yield f"{entry.name}\0{'/' if is_folder else ''}"
    except OSError as error:
        raise C3Error(f"cannot list {folder}: {error.strerror}. Check its permissions.") from error


def _matches(pattern: str) -> Iterator[str]:
    """What a glob matches, one by one, where `glob.iglob` would first list a whole folder."""
    folder, last = os.path.split(pattern)
    if not glob.has_magic(last) or last == "**":
        yield from glob.iglob(pattern, recursive=True)
        return
    inside = os.path.join(folder, "") if folder else ""
    places = glob.iglob(inside, recursive=True) if glob.has_magic(folder) else iter([inside])
    if folder == "**":  # stands for the folder that we are in as well, which iglob does not name
        places = chain([""], places)
    for place in places:
        try:
            with os.scandir(place or ".") as scan:
                names = (entry.name for entry in scan)
                yield from (
                    os.path.join(place, name)
                    for name in names
                    if fnmatch.fnmatch(name, last) and (last.startswith(".") or not name.startswith("."))
                )
        except OSError:  # as glob: what cannot be listed matches nothing
            continue


def _lines(name: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    identity = _posix(name)
    for number, line in decoded(name):
        item = line.rstrip("\r\n")
        if item.strip():
            yield Source(f"{identity}:{number}", item if text else join(name, root, item.strip()))


def _column(name: str, column: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    identity = _posix(name)
    header = header_of(name)
    if column == TEXT and column not in header:
        column = next((other for other in SAME_AS_TEXT if other in header), column)
    if column not in header:
        raise WrongCall(f"{name} has no column {column!r}: {near(column, header)}")
    at = header.index(column)
    for number, row in enumerate(rows_of(name), start=1):
        cell = row[at]
        yield Source(f"{identity}:{number}", cell if text or not cell.strip() else join(name, root, cell.strip()))


def _posix(path: str) -> str:
    return path.replace(os.sep, "/") if os.sep != "/" else path
