"""Batches cut anew: the same stream, in parts of as many sources as were asked for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from c3core.contracts import BadItem, Encoded
from c3core.embedding.batching import rebatch
from c3core.errors import C3Error


def batches(good: list[bool], cuts: list[int]) -> list[Encoded]:
    """A stream of sources, some of them bad, cut into batches of these lengths again and again."""
    found, start, turn = [], 0, 0
    while start < len(good):
        stop = min(start + cuts[turn % len(cuts)], len(good))
        index = [position for position in range(start, stop) if good[position]]
        bad = [(position, BadItem(str(position), "bad")) for position in range(start, stop) if not good[position]]
        rows = torch.tensor(index, dtype=torch.float32)
        found.append(
            Encoded(index, rows[:, None].repeat(1, 2), rows, bad, "text", "f", {k: str(k) for k in index if k % 3})
        )
        start, turn = stop, turn + 1
    return found


@given(st.lists(st.booleans(), max_size=40), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(1, 50))
def test_parts_are_the_stream_whatever_the_batches_were(good: list[bool], cuts: list[int], size: int) -> None:
    parts = list(rebatch(iter(batches(good, cuts)), size))
    assert [index for part in parts for index in part.index] == [position for position, one in enumerate(good) if one]
    assert [position for part in parts for position, _ in part.bad] == [
        position for position, one in enumerate(good) if not one
    ]
    counts = [len(part.index) + len(part.bad) for part in parts]
    assert counts == [size] * (len(good) // size) + [len(good) % size] * bool(len(good) % size)
    for part in parts:
        rows = torch.tensor(part.index, dtype=torch.float32)
        assert torch.equal(part.norms, rows)
        assert torch.equal(part.embeddings, rows[:, None].repeat(1, 2))
        assert (part.modality, part.fingerprint) == ("text", "f")
        assert part.unlike == {k: str(k) for k in part.index if k % 3}


def test_two_streams_one_after_the_other_are_refused() -> None:
    stream = [*batches([True] * 4, [2]), *batches([True, False], [2])]
    with pytest.raises(C3Error, match="after position 3 comes 0"):
        list(rebatch(stream, 3))


def test_parts_come_as_soon_as_they_are_whole() -> None:
    stream = iter(batches([True] * 9, [3]))
    parts = rebatch(stream, 2)
    assert next(parts).index == [0, 1]
    assert next(stream).index == [3, 4, 5]  # the second batch was not asked for yet
