"""Sources that follow themselves, as a photo does in a table of its captions: each is read and embedded once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from c3core.data.sources import Source

MOST = 64  # of a run that is taken as one: more would make a batch large


class Repeats:
    """Iterates over a stream of sources, passing over what repeats the one before it; `of` tells what was passed over.

    >>> stream = Repeats([Source("1", "a.jpg"), Source("2", "a.jpg"), Source("3", "b.jpg")])
    >>> [source.id for source in stream]
    ['1', '3']
    >>> [[source.id for source in run] for run in stream.of(2)]
    [['1', '2'], ['3']]
    """

    def __init__(self, stream: Iterable[Source]) -> None:
        self._stream = stream
        self._runs: deque[list[Source]] = deque()

    def __iter__(self) -> Iterator[Source]:
        for _, run in groupby(self._stream, key=_same):
            while some := list(islice(run, MOST)):
                self._runs.append(some)
                yield some[0]

    def of(self, count: int) -> list[list[Source]]:
        """The runs of the next `count` sources that were given, each with its first; to be asked in order."""
        return [self._runs.popleft() for _ in range(count)]


@dataclass(frozen=True, eq=False)
class _This:
    """An object as itself, whatever it holds. (Its `id` may be the next one's, once nobody holds it.)"""

    thing: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _This) and self.thing is other.thing

    __hash__ = None  # type: ignore[assignment]  # it is compared alone


def _same(source: Source) -> Any:
    """Paths and sentences are the same by what they are, objects by identity: their contents may be large."""
    return source.source if isinstance(source.source, str | Path) else _This(source.source)
