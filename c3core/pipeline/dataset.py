"""What a decoder is trained on: embeddings with targets, of which a share is held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from c3core.contracts import BadItem, Reader
from c3core.data.fingerprint import checksum
from c3core.data.pairs import Pairs
from c3core.data.tables import key_of
from c3core.errors import C3Error
from c3core.store.store import Store

VALIDATION_ROWS = 2000  # more held-out rows make a validation slower, not better
VALIDATION_BATCH = 128

Batch = tuple[Tensor, list[Any]]  # embeddings (n, dim) and n targets


def checksum_of(data: Sequence[Any] | Store | Pairs) -> Any:
    """Return a checksum of sources, of a store or of pairs."""
    if isinstance(data, Store):
        return data.checksum
    if isinstance(data, Pairs):
        data = [*data.source, *data.target, *(() if data.item is None else data.item)]
    return checksum(data)


class TargetDataset:
    """Embeddings of one modality with the decoder's targets.

    `data` is what the store was made of: targets, pairs, or the store itself, whose column `source` has the targets. A
    checksum of a row's id decides whether it is held out, for a `share` of the rows. For pairs a checksum of a row's
    item decides, so that all rows of a photo are either trained on or held out.
    """

    def __init__(self, store: Store, data: Sequence[Any] | Store | Pairs, share: float) -> None:
        self.store, self.modality, self.limit = store, store.modality, round(share * 2**32)
        self.targets: Sequence[Any] | None = None
        self.groups: list[str] | None = None
        if isinstance(data, Pairs):
            self.targets, self.groups = data.target, _groups(data.source if data.item is None else data.item)
        elif not isinstance(data, Store):
            self.targets = data

    def held_out(self, identity: str) -> bool:
        """Whether the row of an id is held out."""
        group = identity if self.groups is None else self.groups[int(identity)]
        return crc32(group.encode(errors="backslashreplace")) < self.limit

    def count(self) -> int:
        """Count the rows to train on."""
        return sum(not self.held_out(i) for batch in self.store.batches(65536, columns=("id",)) for i in batch.ids)

    def read(self, reader: Reader) -> Iterator[Any]:
        """Yield the target of each row, read, without those that cannot be read: for `Decoder.prepare`."""
        for batch in self.store.batches(4096, columns=("id", "source")):
            for identity, source in zip(batch.ids, batch.sources, strict=True):
                item = reader(self.target(identity, source))
                if not isinstance(item, BadItem):
                    yield item

    def in_order(self, reader: Reader) -> Iterator[Batch]:
        """Yield all rows in batches, their targets read, without those whose target cannot be read."""
        for batch in self.store.batches(4096, columns=("id", "source", "embedding")):
            read = [reader(self.target(*row)) for row in zip(batch.ids, batch.sources, strict=True)]
            good = [k for k, item in enumerate(read) if not isinstance(item, BadItem)]
            if good:
                yield batch.embeddings[good], [read[k] for k in good]

    def training(self, batch_size: int, *, seed: int, epoch: int) -> Iterator[Batch]:
        """Yield shuffled batches of exactly `batch_size` rows. Only the seed and the epoch decide the order."""
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

    def validation(self, reader: Reader) -> list[Batch]:
        """Return the held-out rows in batches, at most `VALIDATION_ROWS`, without those whose target cannot be read.

        Raises `C3Error` if no target of the held-out rows can be read.
        """
        batches: list[Batch] = []
        bad: list[BadItem] = []
        for embeddings, targets in self._held_out_rows():
            read = [reader(target) for target in targets]
            bad += [item for item in read if isinstance(item, BadItem)]
            good = [k for k, item in enumerate(read) if not isinstance(item, BadItem)]
            parts = [good[start : start + VALIDATION_BATCH] for start in range(0, len(good), VALIDATION_BATCH)]
            batches += [(embeddings[part], [targets[k] for k in part]) for part in parts]
        if bad and not batches:
            raise C3Error(f"none of the {len(bad)} held-out targets could be read: {bad[0]}")
        return batches

    def _held_out_rows(self) -> Iterator[Batch]:
        left = VALIDATION_ROWS
        for batch in self.store.batches(4096, columns=("id", "source", "embedding")):
            keep = [k for k, identity in enumerate(batch.ids) if self.held_out(identity)][:left]
            left -= len(keep)
            if keep:
                yield batch.embeddings[keep], [self.target(batch.ids[k], batch.sources[k]) for k in keep]
            if not left:
                return

    def target(self, identity: str, source: str) -> Any:
        """Return the target of a row: a source of the decoder's modality."""
        return source if self.targets is None else self.targets[int(identity)]


def _groups(items: Sequence[Any]) -> list[str]:
    """A name for each item, the same for equal ones: the path or sentence itself, else its first place."""
    first: dict[Any, int] = {}

    def name(one: Any, place: int) -> str:
        if isinstance(one, str | Path | int):
            return str(one)
        return str(first.setdefault(key_of(one), place))

    return [name(one, place) for place, one in enumerate(items)]
