"""Items as the command line takes them: files, folders, globs, lists, columns of tables, tables of plugins, stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from c3core.contracts import Reader
from c3core.data.input import Input, parse_input
from c3core.data.modality import guess_input, guess_modality
from c3core.data.sources import Source, sources_of
from c3core.data.tables import TEXT, Table, load_table
from c3core.data.text_files import check_root
from c3core.errors import WrongCall
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
    reader: Reader | None = None,
) -> Items | Store:
    """Return the items of a modality that `inputs` name, in order, as `c3 embed` and `c3 run` take them.

    An input is a file, a folder (every file below it, sorted, without hidden ones), a glob (sorted), a `.txt` list of
    one item a line, `table.csv:column`, `plugin:argument:column` for the table of a plugin (by default its column of
    the modality), or the folder of a store (which must be the only input, and comes back as a `Store`). For text, the
    lines and cells are the items themselves, a folder stands for its `.txt` files, and an input that is no path is a
    sentence. Without `modality` they are files of any.

    Relative inputs start at `folder`, and the paths inside lists and tables at `root`, by default that of the list or
    table. `reader`, that of the modality, tells whether strings are words (`takes_text`; without it, only those of
    "text" are) and whether a .csv or .tsv file is an item itself (`takes_tables`). Blank lines are left out. The items
    stream: they are not held in memory. Raises `C3Error` for an input that is missing, empty, not UTF-8 or lacks the
    column, when it is called; one missing file among several is left to the reader.

    >>> list(load_items(["a red cube", "a star"], "text"))
    ['a red cube', 'a star']
    """
    text, tables = (modality == TEXT, False) if reader is None else (reader.takes_text, reader.takes_tables)
    given = [parse_input(name, folder) for name in _names(inputs)]
    alone = len(given) == 1
    if alone and given[0].kind == "store":
        return Store.open(given[0].path)
    check_root(root)
    if tables:
        given = [replace(one, kind="file") if one.kind == "csv" else one for one in given]
    rows = {at: _table_rows(one, modality, folder) for at, one in enumerate(given) if one.kind == "table"}

    def streams() -> Iterator[Iterator[Source]]:
        for at, one in enumerate(given):
            yield iter(rows[at]) if at in rows else sources_of(one, root, text, alone=alone)

    # The first item of each is looked at now, so that a wrong third input does not end a run hours later.
    for one, stream in zip(given, streams(), strict=True):
        if next(stream, None) is None:
            raise WrongCall(f"{one.path} holds no items. Leave it out, or fill it.")
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
        given = parse_input(name)
        for part in given.files():
            found, guessed = _guessed(part, known, target, root, alone=len(names) == 1, inside=given.is_folder)
            guesses += [guessed or guess_modality(source.source, known, target=target) for source in found]
            sources += found
        if not sources:
            raise WrongCall(f"{name} holds no files. Name another folder, or fill it.")
    return sources, guesses


def _guessed(
    part: Input, known: Sequence[str], target: str | None, root: str | Path | None, *, alone: bool, inside: bool
) -> tuple[list[Source], str | None]:
    """The sources of one file, list, column or sentence, with the modality of all of them, or None for that of each."""
    if part.kind == "table":
        table = load_table(part.path)
        columns = [*table.columns] if part.column is None else [table.named(part.column)]
        modality = _only([column for column in columns if column in known and column != target], part.name, known)
        return _rows(part.path, table, modality), modality
    guessed = guess_input(part, known, target=target)
    if inside and guessed != TEXT:
        return [Source(part.path, part.path)], guessed
    if guessed is None and part.kind == "column":
        guessed = _only([name for name in known if name != target], f"column {part.column!r}", known)
    found = [*sources_of(part, root, guessed == TEXT, alone=alone)]
    return found, None if part.kind == "list" and guessed != TEXT else guessed


def _table_rows(given: Input, modality: str | None, folder: str | Path) -> list[Source]:
    """The rows of the column that an input names; by default of that of the modality."""
    if given.column is None and modality is None:
        raise WrongCall(f"say which column of the table {given.name} to take: {given.name}:COLUMN.")
    return _rows(given.path, load_table(given.path, folder=folder), given.column or str(modality))


def _rows(name: str, table: Table, modality: str) -> list[Source]:
    return [Source(f"{name}:{row}", source) for row, source in enumerate(table.column(modality), start=1)]


def _only(modalities: Sequence[str], what: str, known: Sequence[str]) -> str:
    if len(modalities) != 1:
        raise WrongCall(f"say which modality {what} has (modality=…, or --modality): one of {', '.join(known)}.")
    return modalities[0]


def _names(inputs: str | Path | Iterable[str | Path]) -> list[str]:
    names = [os.fspath(name) for name in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    if not names:
        raise WrongCall("no input was named. Name files, folders, a .txt list or table.csv:column.")
    if not all(name.strip() for name in names):
        raise WrongCall("an input is empty. Leave it out.")
    return names


def named(sources: Iterable[Any]) -> Iterator[Source]:
    """Sources with their ids: those of `Items`; else a path or sentence itself, and the place of anything else.

    >>> [source.id for source in named(["a.jpg", Path("b.jpg"), {}])]
    ['a.jpg', 'b.jpg', '2']
    """
    if isinstance(sources, str | bytes):  # refused now, not when the first one is asked for
        raise WrongCall("sources must be a list, not one string. Write [source].")
    refuse_table(sources, "sources")
    if isinstance(sources, Items):
        return sources.named()
    return (
        source
        if isinstance(source, Source)
        else Source(str(source) if isinstance(source, str | Path) else str(place), source)
        for place, source in enumerate(sources)
    )
