"""Items that are known of a modality: they show where it lies in the space, and sentences among them can be near."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from c3core import C3Error, Encoder, Space, Store
from c3core.data import Items
from c3core.errors import WrongCall, warn
from c3core.io import STORE

EMBEDDED = 300  # items that are embedded for the page
HELD = 50_000  # embeddings of a store that are held in memory


@dataclass(frozen=True)
class KnownItems:
    """Some items of a modality: unit embeddings (n, dim), the sources in the same order, and where they are from."""

    embeddings: Tensor
    sources: Sequence[Any]
    origin: str

    def __len__(self) -> int:
        return len(self.sources)


def of_given(items: Items | Store, encoder: Encoder) -> KnownItems:
    """Items that the user gave: the first ones, or rows of a store, drawn at random.

    Raises `WrongCall` for a store of another encoder, and `C3Error` if no item can be read.
    """
    if not isinstance(items, Store):
        return _embedded(items, encoder, "given by --items")
    if (items.modality, items.fingerprint) != (encoder.modality, encoder.fingerprint):
        raise WrongCall(
            f"the store {items.folder} was made by another encoder than the {encoder.modality} encoder of"
            f" {encoder.space!r}. Embed its items again with this space."
        )
    return of_store(items, "given by --items")


def training_store(folder: Path, modality: str, fingerprint: str | None) -> Store | None:
    """The embeddings of a pipeline's training, if its folder, or that of its ablation, still has them."""
    for place in (folder / "run", folder, folder.parent):  # of `c3 fit`, `Pipeline.fit` and `c3 ablate`
        if (place / "embeddings" / modality / STORE).is_file():
            try:
                store = Store.open(place / "embeddings" / modality)
            except C3Error as error:
                warn(str(error))
                continue
            if store.fingerprint == fingerprint:
                return store
    return None


def of_samples(space: Space, encoder: Encoder) -> KnownItems:
    """The samples of a space that has some."""
    return _embedded(space.samples[encoder.modality](), encoder, f"samples of space {space.spec}")


def of_store(store: Store, origin: str) -> KnownItems:
    """Rows of a store, drawn at random; all, if they are not too many."""
    rows = next(store.shuffled(HELD, seed=0, epoch=0))
    return KnownItems(rows.embeddings, rows.sources, origin)


def _embedded(sources: Iterable[Any], encoder: Encoder, origin: str) -> KnownItems:
    """The first items, without those that cannot be read."""
    first = list(islice(sources, EMBEDDED))
    batches = list(encoder.encode_batches(first))
    good, bad = [at for batch in batches for at in batch.index], [item for batch in batches for _, item in batch.bad]
    if not good:
        raise C3Error(f"no {encoder.modality} item can be read: {bad[0] if bad else 'there is none'}. Give others.")
    if bad:
        warn(f"{len(bad)} {encoder.modality} item(s) cannot be read and are left out: {bad[0]}")
    return KnownItems(torch.cat([batch.embeddings for batch in batches]), [first[at] for at in good], origin)
