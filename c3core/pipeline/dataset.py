"""Embeddings with the decoder's targets, for training or held out: what a fit reads from a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from c3core.data.tables import key_of
from c3core.store.store import Store

VALIDATION_ROWS = 2000  # more held-out rows than this make a validation slower, not better


class TargetDataset:
    """Embeddings of one modality with the decoder's targets: what training reads.

    `targets` are given by position, or stand in the store's `source` column. A share of the rows, chosen by a checksum
    of their ids, is held out; where `items` are given, of these, so that all rows of one photo are for training or all
    are held out.
    """

    def __init__(
        self,
        store: Store,
        modality: str,
        targets: Sequence[Any] | None,
        share: float,
        *,
        items: Sequence[Any] | None = None,
    ) -> None:
        self.store, self.modality, self.targets = store, modality, targets
        self.limit = round(share * 2**32)
        self.groups = None if items is None else _groups(items)

    def held_out(self, identity: str) -> bool:
        group = identity if self.groups is None else self.groups[int(identity)]
        return crc32(group.encode(errors="backslashreplace")) < self.limit

    def count(self) -> int:
        """How many rows are for training."""
        return sum(not self.held_out(i) for batch in self.store.batches(65536, columns=("id",)) for i in batch.ids)

    def training(self, batch_size: int, *, seed: int, epoch: int) -> Iterator[tuple[Tensor, list[Any]]]:
        """Shuffled (embeddings, targets) of exactly `batch_size` rows; the order depends on seed and epoch alone."""
        embeddings: list[Tensor] = []
        targets: list[Any] = []
        for batch in self.store.shuffled(batch_size, seed=seed, epoch=epoch):
            keep = [k for k, identity in enumerate(batch.ids) if not self.held_out(identity)]
            embeddings.append(batch.embeddings[keep])
            targets += [self.target(batch.ids[k], batch.sources[k]) for k in keep]
            while len(targets) >= batch_size:
                together = torch.cat(embeddings)
                yield together[:batch_size], targets[:batch_size]
                embeddings, targets = [together[batch_size:]], targets[batch_size:]

    def validation(self) -> Iterator[tuple[Tensor, list[Any]]]:
        """The held-out rows in order, at most `VALIDATION_ROWS`."""
        left = VALIDATION_ROWS
        for batch in self.store.batches(4096, columns=("id", "source", "embedding")):
            keep = [k for k, identity in enumerate(batch.ids) if self.held_out(identity)][:left]
            left -= len(keep)
            if keep:
                yield batch.embeddings[keep], [self.target(batch.ids[k], batch.sources[k]) for k in keep]
            if not left:
                return

    def target(self, identity: str, source: str) -> Any:
        return source if self.targets is None else self.targets[int(identity)]


def _groups(items: Sequence[Any]) -> list[str]:
    """The same name for the same item: a file or sentence by its own, anything else by the place where it first
    came.
    """
    first: dict[Any, int] = {}

    def name(one: Any, place: int) -> str:
        if isinstance(one, str | Path | int):
            return str(one)
        return str(first.setdefault(key_of(one), place))

    return [name(one, place) for place, one in enumerate(items)]
