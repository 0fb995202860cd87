"""Re-batch embeddings, so that what a seed draws does not depend on the batches in which they were embedded."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from c3core.contracts import Encoded
from c3core.errors import C3Error
from c3core.store.store import Store


def rebatch(batches: Iterable[Encoded], size: int) -> Iterator[Encoded]:
    """Yield a stream of batches again, in batches of `size` sources, good or bad; the last one may have fewer.

    Raises `C3Error` if positions do not increase from batch to batch, as in two streams one after the other.

    >>> rows = torch.eye(5)
    >>> whole = Encoded([0, 1, 3, 4], rows[:4], torch.ones(4), [], "text", "")
    >>> [part.index for part in rebatch([whole], 2)]
    [[0, 1], [3], [4]]
    """
    held: Encoded | None = None
    start, last = 0, -1
    for batch in batches:
        positions = [
            *batch.index[:1],
            *batch.index[-1:],
            *(position for position, _ in (*batch.bad[:1], *batch.bad[-1:])),
        ]
        if not positions:
            continue
        if min(positions) <= last:
            raise C3Error(f"batches must be of one stream: after position {last} comes {min(positions)}.")
        last = max(positions)
        held = batch if held is None else _joined(held, batch)
        row = bad = 0
        while last + 1 - start >= size:
            start += size
            rows, bads = (
                bisect_left(held.index, start, row),
                bisect_left(held.bad, start, bad, key=lambda entry: entry[0]),
            )
            yield _cut(held, slice(row, rows), slice(bad, bads))
            row, bad = rows, bads
        held = _cut(held, slice(row, None), slice(bad, None))
    if held is not None and (held.index or held.bad):
        yield held


def _joined(one: Encoded, other: Encoded) -> Encoded:
    if not (one.index or one.bad):
        return other
    return replace(
        other,
        index=one.index + other.index,
        embeddings=torch.cat([one.embeddings, other.embeddings]),
        norms=torch.cat([one.norms, other.norms]),
        bad=one.bad + other.bad,
        unlike=one.unlike | other.unlike,
    )


def _cut(batch: Encoded, rows: slice, bad: slice) -> Encoded:
    index = batch.index[rows]
    return replace(
        batch,
        index=index,
        embeddings=batch.embeddings[rows],
        norms=batch.norms[rows],
        bad=batch.bad[bad],
        unlike={at: batch.unlike[at] for at in index if at in batch.unlike},
    )


def store_batches(store: Store, batch_size: int, *, start: int = 0) -> Iterator[Encoded]:
    """Yield the rows of a store from row `start` on, in batches. Positions count from there."""
    seen = 0
    for rows in store.batches(batch_size):
        count = len(rows.norms)
        before = min(max(start - seen, 0), count)
        index = range(seen + before - start, seen + count - start)
        seen += count
        if index:
            embeddings, norms = rows.embeddings[before:], rows.norms[before:]
            yield Encoded([*index], embeddings, norms, [], store.modality, store.fingerprint)
