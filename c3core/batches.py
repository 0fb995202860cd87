"""Batches of embeddings, cut anew: what a seed draws must not depend on how its inputs were embedded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from c3core.contracts import Encoded


def in_parts(batches: Iterable[Encoded], size: int) -> Iterator[Encoded]:
    """The same stream in parts of `size` sources each, the last one of fewer; a part holds its bad ones too.

    >>> rows = torch.eye(5)
    >>> whole = Encoded([0, 1, 3, 4], rows[:4], torch.ones(4), [], "text", "")
    >>> [part.index for part in in_parts([whole], 2)]
    [[0, 1], [3], [4]]
    """
    held: Encoded | None = None
    start = 0
    for batch in batches:
        held = batch if held is None else _joined(held, batch)
        end = 1 + max([*held.index[-1:], *(position for position, _ in held.bad[-1:])], default=start - 1)
        while end - start >= size:
            part, held = _split(held, start + size)
            start += size
            yield part
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
    )


def _split(batch: Encoded, position: int) -> tuple[Encoded, Encoded]:
    """What stands before a position of the stream, and the rest."""
    rows = sum(index < position for index in batch.index)
    bad = sum(index < position for index, _ in batch.bad)
    first = replace(
        batch, index=batch.index[:rows], embeddings=batch.embeddings[:rows], norms=batch.norms[:rows], bad=batch.bad[:bad]
    )
    rest = replace(
        batch, index=batch.index[rows:], embeddings=batch.embeddings[rows:], norms=batch.norms[rows:], bad=batch.bad[bad:]
    )
    return first, rest
