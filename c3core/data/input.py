"""Tell what an input names: a file, a folder, a glob, a list, a column, a plugin's table, a store, or words."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from c3core.data.tables import TABLES, TEXT, is_table
from c3core.data.text_files import LIST, beside
from c3core.errors import C3Error, WrongCall
from c3core.io.layout import STORE

Kind = Literal["file", "list", "csv", "column", "table", "folder", "store", "glob", "missing"]

IF_WORDS = f"; if these are words, say so (modality={TEXT!r}, or --modality {TEXT})"
LIKE_A_PATH = re.compile(r"\S*(/\S*|\.\w+(:\S+)?)")
COLUMN = re.compile(r"(.+?\.(?:csv|tsv)):(.+)", re.IGNORECASE)
PLUGIN_COLUMN = re.compile(r"([^:]+:.*):([\w-]+)", re.DOTALL)  # plugin:argument:column


@dataclass(frozen=True)
class Input:
    """What one word of a command line, or one string of a recipe, names.

    `path` is that of the file, folder or glob, or `plugin:argument` for a "table"; `column` is of a "column" or a
    "table". Of a "missing" input, `name` may be words.
    """

    name: str
    kind: Kind
    path: str
    column: str | None = None

    @property
    def is_folder(self) -> bool:
        return self.kind in ("folder", "store")

    def files(self) -> Iterator[Input]:
        """The files of a folder or a glob, in order, without hidden ones and stores; any other input itself."""
        if self.is_folder:
            yield from map(of_file, _walk(self.path, frozenset()))
        elif self.kind == "glob":
            matches = sorted(glob.iglob(self.path, recursive=True))
            yield from (of_file(match) for match in matches if not os.path.isdir(match))
        else:
            yield self

    def missing(self, *, text: bool = False) -> WrongCall:
        """The error of an input that is not there, where `text` may be words."""
        file = self.path if self.column is None else self.path.removesuffix(f":{self.column}")
        wrong = "matches no file" if glob.has_magic(file) else f"does not exist{beside(file)}"
        words = or_words(self.name)
        if text and not file.lower().endswith((LIST, *TABLES)):
            words = "; a text of one word that looks like a path can stand in a .txt list"
        return WrongCall(f"{file} {wrong}. Check the spelling{words}.")


def parse_input(name: str, folder: str | Path = "") -> Input:
    """Look at what an input names. Relative paths start at `folder`.

    >>> parse_input("playground:image/test/10:text")
    Input(name='playground:image/test/10:text', kind='table', path='playground:image/test/10', column='text')
    >>> parse_input("a red ring").kind
    'missing'
    """
    name = os.path.expanduser(name)
    if is_table(name):
        found = PLUGIN_COLUMN.fullmatch(name)
        return Input(name, "table", found[1], found[2]) if found else Input(name, "table", name)
    path = name if Path(folder) == Path() else os.path.join(folder, name)
    if os.path.isdir(path):
        return Input(name, "store" if os.path.isfile(os.path.join(path, STORE)) else "folder", path)
    if os.path.lexists(path):
        return of_file(path)
    column = COLUMN.fullmatch(path)
    if column and os.path.exists(column[1]):
        return Input(name, "column", column[1], column[2])
    if glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None:
        return Input(name, "glob", path)
    return Input(name, "missing", path, column and column[2])


def of_file(path: str) -> Input:
    """A file as an input, by its suffix. It need not be one that can be read."""
    suffix = os.path.splitext(path)[1].lower()
    return Input(path, "list" if suffix == LIST else "csv" if suffix in TABLES else "file", path)


def or_words(name: str) -> str:
    """The end of an error about an input: what to do if it is words. "" for a file, or what looks like a path to one.

    >>> or_words("a red ring"), or_words("ring.png")
    ("; if these are words, say so (modality='text', or --modality text)", '')
    """
    return "" if os.path.exists(name) or is_path(name) else IF_WORDS


def is_path(name: str) -> bool:
    """Whether an input that names no file is a mistyped path, not words.

    A path ends like a list or a table, or is one word with a slash or a suffix.

    >>> is_path("photos/a.jpg"), is_path("my captions.txt"), is_path("a ring and/or a star."), is_path("star")
    (True, True, False, False)
    """
    return name.lower().endswith((LIST, *TABLES)) or LIKE_A_PATH.fullmatch(name) is not None


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
