"""Pair the rows of two stores of one table. A row is missing in a store if its item could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from c3core.errors import C3Error, warn
from c3core.store.shard import StoreBatch


class EmbeddingRows(Protocol):
    """The part of a store that pairing reads."""

    def batches(self, batch_size: int = ..., *, columns: Sequence[str] = ...) -> Iterator[StoreBatch]: ...


class PairedRows(NamedTuple):
    """The embeddings of two stores of the rows of one table that both have, in batches, and the numbers of the rows."""

    x: Iterator[Tensor]
    y: Iterator[Tensor]
    numbers: NDArray[np.int64]


def paired_rows(x: EmbeddingRows, y: EmbeddingRows) -> PairedRows | None:
    """Pair the rows of x and y; None if they have no common table.

    The ids tell the table and the rows (`pairs.csv:17`). Warns of the number of rows that only one of the stores has.
    """
    first = [next(store.batches(1, columns=("id",)), None) for store in (x, y)]
    tables = {_split(batch.ids[0])[0] if batch else "" for batch in first}
    if len(tables) > 1 or not (table := tables.pop()):
        return None
    x_rows, y_rows = _row_numbers(x, table), _row_numbers(y, table)
    common = np.intersect1d(x_rows, y_rows, assume_unique=True)
    if left_out := len(x_rows) + len(y_rows) - 2 * len(common):
        warn(f"{left_out} row(s) of {table} are in only one of the two stores and are left out.")
    return PairedRows(_chosen(x, np.isin(x_rows, common)), _chosen(y, np.isin(y_rows, common)), common)


def _split(identity: str) -> tuple[str, str]:
    """The table and the row number of an id, or two empty strings."""
    table, _, row = identity.rpartition(":")
    return (table, row) if row.isdecimal() else ("", "")


def _row_numbers(store: EmbeddingRows, table: str) -> NDArray[np.int64]:
    ids = (_split(identity) for batch in store.batches(columns=("id",)) for identity in batch.ids)
    numbers = np.fromiter((int(row) if name == table else -1 for name, row in ids), np.int64)
    if (numbers < 0).any() or (np.diff(numbers) <= 0).any():
        raise C3Error(f"the stores hold more than the rows of {table} in order. Embed each table by itself.")
    return numbers


def _chosen(store: EmbeddingRows, kept: NDArray[np.bool_]) -> Iterator[Tensor]:
    start = 0
    for batch in store.batches(columns=("embedding",)):
        stop = start + len(batch.embeddings)
        yield batch.embeddings[torch.from_numpy(kept[start:stop])]
        start = stop
