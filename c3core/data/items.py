"""Items as the command line takes them: files, folders, globs, lists, columns of tables, tables of plugins, stores."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from c3core.data.modality import guess_modality, is_path
from c3core.data.sources import Source, files_in, sources_in
from c3core.data.tables import COLUMN, TABLES, TEXT, Table, is_table, load_table, split_column
from c3core.data.text_files import LIST, beside, check_root
from c3core.errors import WrongCall
from c3core.io.layout import STORE
from c3core.io.validation import refuse_table
from c3core.store.store import Store


class Items(Sequence[Any]):
    """Sources as a stream that can be read again and again: `len` and an index read it to the end once.

    `named()` gives each as a `Source`, with an id that says where it was named.
    """

    def __init__(self, open_stream: Callable[[], Iterator[Source]]) -> None:
        self._open = open_stream

    def named(self) -> Iterator[Source]:
        return self._open()

    def __iter__(self) -> Iterator[Any]:
        return (source.source for source in self.named())

    def __getitem__(self, place: Any) -> Any:
        return self._held[place]

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Items({next(iter(self), None)!r}, …)"

    @cached_property
    def _held(self) -> list[Any]:
        return list(self)

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self.named())


def streamed(sources: Any, what: str) -> Items | None:
    """A stream that can be read again, as a column of an `IterableDataset`, as `Items`; None for anything else.

    Raises `WrongCall` for a data set or a data frame, which holds several columns.
    """
    refuse_table(sources, what)
    if isinstance(sources, Sized) or not isinstance(sources, Iterable) or iter(sources) is sources:
        return None
    return Items(lambda: (Source(str(number), source) for number, source in enumerate(sources)))


def load_items(
    inputs: str | Path | Iterable[str | Path],
    modality: str | None = None,
    *,
    root: str | Path | None = None,
    folder: str | Path = "",
    takes_text: bool | None = None,
) -> Items | Store:
    """Return the items of a modality that `inputs` name, in order, as `c3 embed` and `c3 run` take them.

    An input is a file, a folder (every file below it, sorted, without hidden ones), a glob (sorted), a `.txt` list of
    one item a line, `table.csv:column`, `plugin:argument:column` for the table of a plugin (by default its column of
    the modality), or the folder of a store (which must be the only input, and comes back as a `Store`). For text, the
    lines and cells are the items themselves, a folder stands for its `.txt` files, and an input that is no path is a
    sentence. Without `modality` they are files of any.

    Relative inputs start at `folder`, and the paths inside lists and tables at `root`, by default that of the list or
    table. `takes_text` is that of the modality's reader (`Reader.takes_text`); without it, only "text" does. Blank
    lines are left out. The items stream: they are not held in memory. Raises `C3Error` for an input that is missing,
    empty, not UTF-8 or lacks the column, when it is called; one missing file among several is left to the reader.

    >>> list(load_items(["a red cube", "a star"], "text"))
    ['a red cube', 'a star']
    """
    text = modality == TEXT if takes_text is None else takes_text
    names = _names(inputs)
    if len(names) == 1 and os.path.isfile(os.path.join(folder, names[0], STORE)):
        return Store.open(os.path.join(folder, names[0]))
    if is_table(names[0]):
        rows = [row for name in names for row in _table_rows(name, modality, folder)]
        return Items(lambda: iter(rows))
    check_root(root)
    names = [_from(folder, name, text=text) for name in names]

    def streams() -> Iterator[Iterator[Source]]:
        return (sources_in(name, root, text, alone=len(names) == 1) for name in names)

    # The first item of each is looked at now, so that a wrong third input does not end a run hours later.
    for name, stream in zip(names, streams(), strict=True):
        if next(stream, None) is None:
            raise WrongCall(f"{name} holds no items. Leave it out, or fill it.")
    return Items(lambda: chain.from_iterable(streams()))


def guess_items(
    inputs: str | Path | Iterable[str | Path],
    known: Sequence[str],
    *,
    target: str | None = None,
    root: str | Path | None = None,
) -> tuple[list[Source], list[str | None]]:
    """Return the sources that `inputs` name, as `load_items` does, and for each its modality, or None if that is open.

    The files of a folder or glob, and the paths in a list, are guessed one by one (`guess_modality`), a column or a
    list of sentences as a whole. Raises `WrongCall` if the latter is open.
    """
    names = _names(inputs)
    check_root(root)
    sources: list[Source] = []
    guesses: list[str | None] = []
    for name in names:
        for part in files_in(name):
            found, guessed = _guessed(part, known, target, root, alone=len(names) == 1, inside=os.path.isdir(name))
            guesses += [guessed or guess_modality(source.source, known, target=target) for source in found]
            sources += found
        if not sources:
            raise WrongCall(f"{name} holds no files. Name another folder, or fill it.")
    return sources, guesses


def _guessed(
    part: str, known: Sequence[str], target: str | None, root: str | Path | None, *, alone: bool, inside: bool
) -> tuple[list[Source], str | None]:
    """The sources of one file, list, column or sentence, with the modality of all of them, or None for that of each."""
    if is_table(part):
        name, asked = split_column(part)
        table = load_table(name)
        columns = [*table.columns] if asked is None else [table.named(asked)]
        modality = _only([column for column in columns if column in known and column != target], part, known)
        return _rows(name, table, modality), modality
    guessed = guess_modality(part, known, target=target)
    if inside and guessed != TEXT:
        return [Source(part, part)], guessed
    column = COLUMN.fullmatch(part)
    if guessed is None and column and os.path.exists(column[1]):
        guessed = _only([name for name in known if name != target], f"column {column[2]!r}", known)
    found = [*sources_in(part, root, guessed == TEXT, alone=alone)]
    paths = part.lower().endswith(LIST) and guessed != TEXT
    return found, None if paths else guessed


def _table_rows(name: str, modality: str | None, folder: str | Path) -> list[Source]:
    """The rows of the column that an input names; by default of that of the modality."""
    table, column = split_column(name)
    if column is None and modality is None:
        raise WrongCall(f"say which column of the table {name} to take: {name}:COLUMN.")
    return _rows(table, load_table(table, folder=folder), column or str(modality))


def _rows(name: str, table: Table, modality: str) -> list[Source]:
    return [Source(f"{name}:{row}", source) for row, source in enumerate(table.column(modality), start=1)]


def _only(modalities: Sequence[str], what: str, known: Sequence[str]) -> str:
    if len(modalities) != 1:
        raise WrongCall(f"say which modality {what} has (modality=…, or --modality): one of {', '.join(known)}.")
    return modalities[0]


def _names(inputs: str | Path | Iterable[str | Path]) -> list[str]:
    names = [os.path.expanduser(name) for name in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    if not names:
        raise WrongCall("no input was named. Name files, folders, a .txt list or table.csv:column.")
    if not all(name.strip() for name in names):
        raise WrongCall("an input is empty. Leave it out.")
    return names


def _from(folder: str | Path, name: str, *, text: bool) -> str:
    """An input from a folder: its path, or for text the words themselves."""
    path = os.path.join("" if Path(folder) == Path() else folder, name)
    if not text or os.path.exists(path):
        return path
    column = COLUMN.fullmatch(path)
    if (column and os.path.exists(column[1])) or (glob.has_magic(path) and next(files_in(path), path) != path):
        return path
    if is_path(name):
        file = column[1] if column else path
        wrong = "matches no file" if glob.has_magic(file) else f"does not exist{beside(file)}"
        listed = file.lower().endswith((LIST, *TABLES))
        words = "" if listed else "; a text of one word that looks like a path can stand in a .txt list"
        raise WrongCall(f"{file} {wrong}. Check the spelling{words}.")
    return name


def named(sources: Iterable[Any]) -> Iterator[Source]:
    """Sources with their ids: those of `Items`; else a path or sentence itself, and the place of anything else.

    >>> [source.id for source in named(["a.jpg", Path("b.jpg"), {}])]
    ['a.jpg', 'b.jpg', '2']
    """
    if isinstance(sources, str):  # refused now, not when the first one is asked for
        raise WrongCall("sources must be a list, not one string. Write [source].")
    if isinstance(sources, Items):
        return sources.named()
    return (
        source
        if isinstance(source, Source)
        else Source(str(source) if isinstance(source, str | Path) else str(place), source)
        for place, source in enumerate(sources)
    )
