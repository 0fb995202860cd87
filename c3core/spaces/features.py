"""The features of frozen towers: computed once into a store, and read from there again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor

from c3core.contracts import Encoder, Reader, Tower
from c3core.errors import WrongCall
from c3core.io.files import short_hash
from c3core.io.layout import STORE
from c3core.store.shard import StoreBatch
from c3core.store.store import Store


class FeatureEncoder(Encoder):
    """The features of a frozen tower as embeddings, so that a store can hold them."""

    space = "features"

    def __init__(self, tower: Tower) -> None:
        self.tower, self.modality, self.dim = tower.eval(), tower.modality, tower.width
        self.fingerprint = short_hash(tower.identity())

    def reader(self) -> Reader:
        return self.tower.reader()

    def embed(self, items: Sequence[Any]) -> Tensor:
        features: Tensor = self.tower(send_to_device(self.tower.collate(items), self.device))
        return features


def features_of(batch: StoreBatch) -> Tensor:
    """Return the features (n, width) of a store's batch, which holds unit vectors and their norms."""
    return batch.embeddings * batch.norms.unsqueeze(1)


@dataclass(frozen=True)
class Features:
    """Stored features (width,), in place of the item that they were computed from."""

    values: Tensor


class FeatureReader(Reader):
    """Reads a path or a text as its stored `Features`.

    Anything else, and a file that was changed after the features were stored, is read by the tower's own reader.
    """

    def __init__(self, reader: Reader, stores: Sequence[Store]) -> None:
        self.reader, self.takes_text, self.takes_tables = reader, reader.takes_text, reader.takes_tables
        batches = [batch for store in stores for batch in store.batches(columns=("source", "embedding", "norm"))]
        sources = (source for batch in batches for source in batch.sources)
        self.rows = {self._key(source): row for row, source in enumerate(sources)}
        self.features = torch.cat([features_of(batch) for batch in batches])
        self.stored_at = min((store.folder / STORE).stat().st_mtime for store in stores)

    def read(self, source: Any) -> Any:
        row = self.rows.get(self._key(source)) if isinstance(source, str | Path) else None
        if row is None or self._changed(source):
            return self.reader.read(source)
        return Features(self.features[row])

    def _key(self, source: str | Path) -> str:
        """A text as it is, and one name for each way to write a path."""
        return str(source) if self.takes_text else os.path.abspath(source)

    def _changed(self, source: str | Path) -> bool:
        try:
            return os.stat(os.path.expanduser(source)).st_mtime > self.stored_at
        except (OSError, ValueError):  # a text names no file
            return False


def stored_features(run: str | Path) -> list[Store]:
    """Return the stores of features in `run`, the folder that `c3 connect` worked in.

    Raises `WrongCall` if it holds none.
    """
    stores = [Store.open(path.parent) for path in sorted(Path(run).glob(f"*/*/{STORE}"))]
    if not stores:
        raise WrongCall(f"{run} holds no features. Give the `run` folder of the `c3 connect` that made the space.")
    return stores
