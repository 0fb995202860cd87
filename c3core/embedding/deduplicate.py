"""Find sources that are repeated in a row, as a photo is in a table of its captions, to embed each only once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from c3core.data.sources import Source

Runs = list[list[Source]]  # of equal sources, which are read once

LONGEST_RUN = 64  # a longer run is split, so that a batch of runs stays small


def deduplicate(sources: Iterable[Source]) -> Iterator[list[Source]]:
    """The sources in runs: consecutive equal paths or sentences, or the same object several times.

    >>> stream = [Source("1", "a.jpg"), Source("2", "a.jpg"), Source("3", "b.jpg")]
    >>> [[source.id for source in run] for run in deduplicate(stream)]
    [['1', '2'], ['3']]
    """
    for _, same in groupby(sources, key=_Key):
        while run := list(islice(same, LONGEST_RUN)):
            yield run


def run_batches(sources: Iterable[Source], size: int) -> Iterator[Runs]:
    """The sources in batches of `size` runs, the last one of fewer."""
    stream = deduplicate(sources)
    return iter(lambda: list(islice(stream, size)), [])


class _Key:
    """Compares paths and sentences by value, and other objects by identity, because their content may be large."""

    def __init__(self, source: Source) -> None:
        self.value: Any = source.source

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, _Key)
        named = isinstance(self.value, str | Path) and isinstance(other.value, str | Path)
        return self.value == other.value if named else self.value is other.value

    __hash__ = None  # type: ignore[assignment]  # only compared
