"""Pair the rows of two stores of one table. A row is missing in a store if its item could not be read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from c3core.errors import C3Error
from c3core.store.shard import StoreBatch

CHUNK = 8192


class EmbeddingRows(Protocol):
    """The part of a store that pairing reads."""

    dim: int

    def batches(self, batch_size: int = ..., *, columns: Sequence[str] = ...) -> Iterator[StoreBatch]: ...


def common_table(x: EmbeddingRows, y: EmbeddingRows) -> str | None:
    """The table or list that both stores were made from, according to the first ids (`pairs.csv:17`); None if none."""
    tables = []
    for store in (x, y):
        first = next(store.batches(1, columns=("id",)), None)
        name, _, row = first.ids[0].rpartition(":") if first else ("", "", "")
        tables.append(name if row.isdecimal() else "")
    return tables[0] if tables[0] == tables[1] else None


def paired_by_row(x: EmbeddingRows, y: EmbeddingRows, table: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches (n, d) of the rows that both stores have. Warns of the number of rows that only one of them has."""
    streams = [store.batches(CHUNK, columns=("id", "embedding")) for store in (x, y)]
    numbers, rows = [np.zeros(0, np.int64)] * 2, [torch.zeros(0, x.dim), torch.zeros(0, y.dim)]
    left_out = 0
    while True:
        for side, stream in enumerate(streams):
            if not len(numbers[side]) and (batch := next(stream, None)) is not None:
                numbers[side], rows[side] = _row_numbers(batch.ids, table), batch.embeddings
        if not len(numbers[0]) or not len(numbers[1]):
            break
        reached = min(numbers[0][-1], numbers[1][-1])
        stops = [int(np.searchsorted(own, reached, side="right")) for own in numbers]
        both, *places = np.intersect1d(numbers[0][: stops[0]], numbers[1][: stops[1]], return_indices=True)
        left_out += sum(stops) - 2 * len(both)
        if len(both):
            yield rows[0][torch.from_numpy(places[0])], rows[1][torch.from_numpy(places[1])]
        numbers = [own[stop:] for own, stop in zip(numbers, stops, strict=True)]
        rows = [own[stop:] for own, stop in zip(rows, stops, strict=True)]
    left_out += sum(map(len, numbers)) + sum(len(batch.ids) for stream in streams for batch in stream)
    if left_out:
        warnings.warn(f"{left_out} row(s) of {table} are in only one of the two stores and are left out.", stacklevel=2)


def _row_numbers(ids: Sequence[str], table: str) -> NDArray[np.int64]:
    numbers = [
        row for name, _, row in (identity.rpartition(":") for identity in ids) if name == table and row.isdecimal()
    ]
    found = np.array(numbers, np.int64)
    if len(found) < len(ids) or (np.diff(found) <= 0).any():
        raise C3Error(
            f"the stores hold more than the rows of {table} in order, so that rows cannot be paired. Embed each table"
            " into a store of its own."
        )
    return found
