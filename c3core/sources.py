"""From what a user names to sources: files, folders, globs, lists, columns of tables; streamed, not held in memory."""

from __future__ import annotations

import csv
import fnmatch
import glob
import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from c3core.errors import C3Error, WrongCall, near
from c3core.ordering import in_order

STORE = "store.json"
LIST, TABLES = ".txt", (".csv", ".tsv")
LONGEST_LINE = 1 << 24  # bytes: beyond this a "line" is a binary file without line ends, not a sentence
COLUMN = re.compile(r"(.+?\.(?:csv|tsv)):(.+)", re.IGNORECASE)
SAME_AS_TEXT = ("caption", "captions")  # names that tables in the wild give to their text


@dataclass(frozen=True)
class Source:
    """One thing to read.

    `id` says where it was named (`photos/a.jpg`, `captions.txt:7`); `source` is what a reader takes: a path, a
    sentence, or in Python anything else that the reader knows.
    """

    id: str
    source: Any


class Sources(Iterator[Source]):
    """A stream of sources that can tell, by going through its inputs once more, how many it has in all."""

    def __init__(self, open_stream: Callable[[], Iterator[Source]]) -> None:
        self._open, self._stream = open_stream, open_stream()

    def __next__(self) -> Source:
        return next(self._stream)

    def total(self) -> int:
        return sum(1 for _ in self._open())


def expand(inputs: Sequence[str], *, root: str | Path | None = None, text: bool = False) -> Sources:
    """The sources that `inputs` name, in order: files, folders (every file below, sorted, hidden ones passed over),
    globs (sorted), a `.txt` of one item a line, `table.csv:column`.

    Paths inside a list or table are relative to it, or to `root`. With `text` the lines and cells are the items
    themselves, a folder stands for the `.txt` files in it, and a string that names no file is itself an item. Blank
    lines are passed over.

    Each input is checked at once, up to its first item; the rest streams. Raises `C3Error` for what is missing, empty,
    no UTF-8, or lacks the column. One missing file among several inputs is an item like others, for the reader to refuse.

    >>> [source.source for source in expand(["a red cube"], text=True)]
    ['a red cube']
    """
    if isinstance(inputs, str):
        raise C3Error("inputs must be a list, not one string. Write [input].")
    if not inputs:
        raise WrongCall("no input was named. Name files, folders, a .txt list or table.csv:column.")
    # The first item of each is looked at now, so that a wrong third input does not end a run hours later.
    for name in inputs:
        if next(_named(name, root, text, alone=len(inputs) == 1), None) is None:
            raise C3Error(
                f"{name} holds no items. Leave it out, or fill it." if name.strip() else "an input is empty. Leave it out."
            )
    return Sources(lambda: chain.from_iterable(_named(name, root, text, alone=len(inputs) == 1) for name in inputs))


def _named(name: str, root: str | Path | None, text: bool, *, alone: bool) -> Iterator[Source]:
    """The sources of one input."""
    if os.path.isdir(name):
        return _files(_walk(name, frozenset()), root, text, lists=text)
    if os.path.exists(name) or (os.path.islink(name) and not text):  # a broken link is for the reader to refuse, as in a folder
        return _file(name, root, text)
    column = COLUMN.fullmatch(name)
    if column and (not text or os.path.exists(column[1]) or not _has_space(name)):
        return _column(column[1], column[2], root, text)
    if glob.has_magic(name) and next(_matches(name), None) is not None:
        return _files((match for match in in_order(_matches(name)) if not os.path.isdir(match)), root, text, lists=True)
    if text and (_has_space(name) or not ("/" in name or name.lower().endswith((LIST, *TABLES)))):
        return iter([Source(name, name)] if name.strip() else [])
    suffix = os.path.splitext(name)[1].lower()
    if not (text or alone or glob.has_magic(name)) and suffix not in ("", LIST, *TABLES):  # a file, not a mistyped folder
        return iter([Source(_posix(name), name)])
    wrong = "matches no file" if glob.has_magic(name) else f"does not exist{_beside(name)}"
    raise WrongCall(f"{name} {wrong}. Check the spelling.")


def _file(name: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    """The sources of one file that was named itself."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in TABLES:
        raise WrongCall(f"{name} is a table: say which column, {name}:COLUMN ({', '.join(_header(name))}).")
    if text and suffix != LIST:
        raise WrongCall(f"{name} is no list of texts. Give a .txt of one item a line, or table.csv:column.")
    if suffix == LIST and not os.path.getsize(name):
        raise C3Error(f"{name} is empty. Leave it out, or fill it.")
    return _files([name], root, text, lists=True)


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
    for entry in in_order(_listed(folder)):
        name, _, kind = entry.partition("\0")
        path = os.path.join(folder, name)
        if kind:
            yield from _walk(path, above | {here})
        else:  # also a pipe or a socket: readers refuse it by name
            yield path


def _listed(folder: str) -> Iterator[str]:
    """Each name in a folder that is not hidden, and NUL, which no name holds and nothing sorts before; of a folder "/" too."""
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
    for number, line in _decoded(name):
        item = line.rstrip("\r\n")
        if item.strip():
            yield Source(f"{identity}:{number}", item if text else _join(name, root, item.strip()))


def _column(name: str, column: str, root: str | Path | None, text: bool) -> Iterator[Source]:
    identity = _posix(name)
    header = _header(name)
    if column not in header:
        raise WrongCall(f"{name} has no column {column!r}: {near(column, header)}")
    at = header.index(column)
    for number, row in enumerate(_rows(name), start=1):
        cell = row[at]
        yield Source(f"{identity}:{number}", cell if text or not cell else _join(name, root, cell))


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
            raise C3Error(f"the columns of a table must be of one length: {lengths}.")

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def column(self, name: str) -> list[Any]:
        """One column; a `C3Error` offers near names."""
        if name not in self.columns:
            raise WrongCall(f"the table has no column {name!r}: {near(name, self.columns)}")
        return self.columns[name]

    def grouped(self, by: str, of: str) -> list[tuple[Any, list[Any]]]:
        """Each input of column `by`, in the order of first appearance, with what stands in `of` on its rows."""
        groups: dict[Any, tuple[Any, list[Any]]] = {}
        for source, target in zip(self.column(by), self.column(of), strict=True):
            key = source if isinstance(source, Hashable) else id(source)
            groups.setdefault(key, (source, []))[1].append(target)
        return list(groups.values())


def read_table(
    path: str | Path, columns: Sequence[str] | Mapping[str, str] | None = None, *, root: str | Path | None = None
) -> Table:
    """A CSV (or TSV) whose columns are named after modalities; `caption` is accepted for `text`.

    `columns` picks some, or maps a modality to its column's name; by default all are read. Outside of `text`, a column
    in which some cell names a file beside the table (or in `root`) is one of paths, and its cells become paths from
    here. Raises `C3Error` for a missing column, a row of another length than the header, an empty cell of a column that
    was asked for, or no rows.
    """
    name = str(path)
    header = _header(name)
    renamed = {column: "text" if column in SAME_AS_TEXT and "text" not in header else column for column in header}
    available = {modality: column for column, modality in reversed(renamed.items())}
    if columns is None:
        wanted = available
    elif isinstance(columns, Mapping):
        wanted = dict(columns)
    else:
        wanted = {modality: available.get(modality, modality) for modality in columns}
    for column in wanted.values():
        if column not in header:
            raise WrongCall(f"{name} has no column {column!r}: {near(column, header)}")
    places = [(modality, header.index(column)) for modality, column in wanted.items()]
    found: dict[str, list[Any]] = {modality: [] for modality in wanted}
    for number, row in enumerate(_rows(name), start=1):
        for modality, at in places:
            if not row[at].strip() and columns is not None:
                raise C3Error(f"{name}: row {number} has no {header[at]}. Fill it, or leave the row out.")
            found[modality].append(row[at])
    table = Table(found)
    if not table.rows:
        raise C3Error(f"{name} has a header but no rows. Fill it.")
    for modality in found.keys() - {"text"}:
        found[modality] = _paths(name, root, found[modality])
    return table


def _paths(table: str, root: str | Path | None, cells: list[str]) -> list[str]:
    joined = [_join(table, root, cell) if cell else cell for cell in cells]
    return joined if any(path and os.path.exists(path) for path in joined) else cells


def _header(name: str) -> list[str]:
    with _table(name) as rows:
        header = [cell.strip() for cell in next(rows, [])]
    if not any(header):
        raise C3Error(f"{name} is empty. It needs a first line that names its columns.")
    twice = {column for column in header if header.count(column) > 1}
    if twice:
        raise C3Error(f"{name} names a column twice: {', '.join(sorted(twice))}. Rename one.")
    return header


def _rows(name: str) -> Iterator[list[str]]:
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
    lines = (line for _, line in _decoded(name))
    delimiter = "\t" if name.lower().endswith(".tsv") else ","
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))  # the whole process's, 128 KB until somebody says else
    rows = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=delimiter == ",")
    try:
        yield rows
    except csv.Error as error:
        hint = "A quote may be left open, or stand single inside a cell."
        raise C3Error(f"{name}: the row that ends at line {rows.line_num} is no CSV ({error}). {hint}") from error


def _decoded(name: str) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their numbers; a `C3Error` names the line that is none."""
    if os.path.exists(name) and not os.path.isfile(name):  # a pipe would be waited on for ever
        raise C3Error(f"{name} is not a regular file. Leave it out, or write it to a file.")
    try:
        with open(name, "rb") as handle:
            for number, raw in enumerate(iter(partial(handle.readline, LONGEST_LINE), b""), start=1):
                line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                if len(raw) == LONGEST_LINE:
                    raise C3Error(f"{name}: line {number} is longer than {LONGEST_LINE >> 20} MB. Is it a list?")
                if b"\0" in line:
                    raise C3Error(f"{name}: line {number} holds a NUL byte: it is no plain text. Save it as UTF-8.")
                yield number, line.decode()
    except UnicodeDecodeError as error:
        message = f"{name}: line {number} is not UTF-8 (byte {error.start + 1} of the line). Save the file as UTF-8."
        raise C3Error(message) from error
    except FileNotFoundError as error:
        raise WrongCall(f"{name} does not exist{_beside(name)}. Check the spelling.") from error
    except OSError as error:
        raise C3Error(f"cannot read {name}: {error.strerror}.") from error


def _join(listed_in: str, root: str | Path | None, path: str) -> str:
    return os.path.join(str(root) if root is not None else os.path.dirname(listed_in), path)


def _posix(path: str) -> str:
    return path.replace(os.sep, "/") if os.sep != "/" else path


def _has_space(name: str) -> bool:
    return any(character.isspace() for character in name)


def _beside(name: str) -> str:
    """Near names in the same folder, for a message."""
    try:
        names = os.listdir(os.path.dirname(name) or ".")
    except OSError:
        return ""
    hint = near(os.path.basename(name), names)
    return f" ({hint})" if hint.startswith("did you mean") else ""
