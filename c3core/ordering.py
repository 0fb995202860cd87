"""Names in order, however many: what does not fit into memory is sorted in pieces on disk, which are then merged."""

from __future__ import annotations

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from typing import IO

from c3core.errors import C3Error

HELD = 1 << 17  # names in memory: some 20 MB


def in_order(names: Iterable[str], *, held: int = HELD) -> Iterator[str]:
    """The names sorted by their code points, with at most `held` of them in memory; the rest waits in temporary files.

    >>> list(in_order(["b", "c", "a"], held=2))
    ['a', 'b', 'c']
    """
    stream = iter(names)
    piece = sorted(islice(stream, held))
    more = list(islice(stream, 1))
    if not more:  # all of them fit, as nearly always
        yield from piece
        return
    rest = chain(more, stream)
    with ExitStack() as stack:
        pieces = []
        while piece:
            try:
                pieces.append(_kept(piece, stack.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))))
            except OSError as error:
                where = f"cannot sort more than {held:,} names in {tempfile.gettempdir()}"
                raise C3Error(f"{where}: {error.strerror}. Free some room there, or set TMPDIR.") from error
            piece = sorted(islice(rest, held))
        yield from heapq.merge(*pieces)


def _kept(piece: list[str], file: IO[str]) -> Iterator[str]:
    """The names of a sorted piece, from a file: as JSON, since a name may hold a line break, or bytes that are no UTF-8."""
    file.writelines(json.dumps(name) + "\n" for name in piece)
    file.seek(0)
    return map(json.loads, file)
