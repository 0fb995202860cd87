"""From what a user names to sources: files, folders, globs, lists, columns of tables; streamed, not held in memory."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from c3core.data.tables import COLUMN, SAME_AS_TEXT, TABLES, header_of, rows_of
from c3core.data.text_files import beside, check_root, decoded, join
from c3core.errors import C3Error, WrongCall, near
from c3core.io.layout import STORE

LIST = ".txt"


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
    no UTF-8, or lacks the column. One missing file among several inputs is an item like others, for the reader to
    refuse.

    >>> [source.source for source in expand(["a red cube"], text=True)]
    ['a red cube']
    """
    if isinstance(inputs, str):
        raise WrongCall("inputs must be a list, not one string. Write [input].")
    if not inputs:
        raise WrongCall("no input was named. Name files, folders, a .txt list or table.csv:column.")
    inputs = [os.path.expanduser(name) for name in inputs]
    check_root(root)
    # The first item of each is looked at now, so that a wrong third input does not end a run hours later.
    for name in inputs:
        if next(_named(name, root, text, alone=len(inputs) == 1), None) is None:
            raise WrongCall(
                f"{name} holds no items. Leave it out, or fill it."
                if name.strip()
                else "an input is empty. Leave it out."
            )
    return Sources(lambda: chain.from_iterable(_named(name, root, text, alone=len(inputs) == 1) for name in inputs))


def _named(name: str, root: str | Path | None, text: bool, *, alone: bool) -> Iterator[Source]:
    """The sources of one input."""
    if os.path.isdir(name):
        return _files(_walk(name, frozenset()), root, text, lists=text)
    if os.path.exists(name) or (
        os.path.islink(name) and not text
    ):  # a broken link is for the reader to refuse, as in a folder
        return _file(name, root, text)
    column = COLUMN.fullmatch(name)
    if column and (not text or os.path.exists(column[1]) or not _has_space(name)):
        return _column(column[1], column[2], root, text)
    if glob.has_magic(name) and next(_matches(name), None) is not None:
        return _files((match for match in sorted(_matches(name)) if not os.path.isdir(match)), root, text, lists=True)
    if text and (_has_space(name) or not ("/" in name or name.lower().endswith((LIST, *TABLES)))):
        return iter([Source(name, name)] if name.strip() else [])
    suffix = os.path.splitext(name)[1].lower()
    if not (text or alone or glob.has_magic(name)) and suffix not in (
        "",
        LIST,
        *TABLES,
    ):  # a file, not a mistyped folder
        return iter([Source(_posix(name), name)])
    wrong = "matches no file" if glob.has_magic(name) else f"does not exist{beside(name)}"
    otherwise = "; a text of one word that looks like a path can stand in a .txt list" if text else ""
    raise WrongCall(f"{name} {wrong}. Check the spelling{otherwise}.")


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
    if column == "text" and column not in header:  # as everywhere, by another name
        column = next((other for other in SAME_AS_TEXT if other in header), column)
    if column not in header:
        raise WrongCall(f"{name} has no column {column!r}: {near(column, header)}")
    at = header.index(column)
    for number, row in enumerate(rows_of(name), start=1):
        cell = row[at]
        yield Source(f"{identity}:{number}", cell if text or not cell.strip() else join(name, root, cell.strip()))


def named(sources: Iterable[Any]) -> Iterator[Source]:
    """Sources as they come: a path or sentence is called by itself, anything else by its place among them.

    >>> [source.id for source in named(["a.jpg", Path("b.jpg"), {}])]
    ['a.jpg', 'b.jpg', '2']
    """
    if isinstance(sources, str):  # said at once, and not when the first one is asked for
        raise WrongCall("sources must be a list, not one string. Write [source].")
    return (
        source
        if isinstance(source, Source)
        else Source(str(source) if isinstance(source, str | Path) else str(place), source)
        for place, source in enumerate(sources)
    )


def _posix(path: str) -> str:
    return path.replace(os.sep, "/") if os.sep != "/" else path


def _has_space(name: str) -> bool:
    return any(character.isspace() for character in name)
