"""What `c3 connect` trains on: the items of a table's column, each read once, and the pairs between two columns."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from c3core.contracts import BadItem, Encoder, Reader
from c3core.contracts.tower import Tower
from c3core.data.sources import Source
from c3core.data.tables import key_of
from c3core.embedding.embedder import embed
from c3core.errors import C3Error
from c3core.runtime.devices import to_device
from c3core.runtime.progress import progress_bar


class TowerEncoder(Encoder):
    """A frozen tower's features as embeddings, so that they are made once, into a store, and go on after a kill."""

    space = "features"

    def __init__(self, tower: Tower) -> None:
        self.tower, self.modality, self.dim = tower.eval(), tower.modality, tower.width
        self.fingerprint = hashlib.sha256(tower.identity().encode()).hexdigest()[:32]

    def reader(self) -> Reader:
        return self.tower.reader()

    def embed(self, items: Sequence[Any]) -> Tensor:
        parameter = next(self.tower.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        features: Tensor = self.tower(to_device(self.tower.collate(items), device))
        return features


class ColumnDataset:
    """The items of one modality in one table: `rows[i]` is the item of the table's row i, or −1 where it could not be
    read.

    The items of a tower that is trained are kept in memory; of a frozen tower its features (n, width), from a store in
    `folder`.
    """

    def __init__(self, tower: Tower, sources: Sequence[Any], folder: Path, *, quiet: bool) -> None:
        self.tower = tower
        self.items: list[Any] = []
        self.features: Tensor | None = None
        self.bad: list[str] = []
        keys = [key_of(source) for source in sources]
        unique = dict(zip(keys, sources, strict=True))
        position = self._features(unique, folder, quiet=quiet) if tower.frozen else self._items(unique, quiet=quiet)
        self.rows = [position.get(key, -1) for key in keys]
        if self.bad:
            message = f"{len(self.bad)} source(s) could not be read and are left out: {'; '.join(self.bad[:3])}"
            warnings.warn(message, stacklevel=2)

    def _items(self, unique: dict[Any, Any], *, quiet: bool) -> dict[Any, int]:
        reader, position = self.tower.reader(), dict[Any, int]()
        with progress_bar(f"reading {self.tower.modality}", total=len(unique), quiet=quiet) as bar:
            for key, source in unique.items():
                item = reader(source)
                if isinstance(item, BadItem):
                    self.bad.append(str(item))
                else:
                    position[key] = len(self.items)
                    self.items.append(item)
                bar.advance(1)
        return position

    def _features(self, unique: dict[Any, Any], folder: Path, *, quiet: bool) -> dict[Any, int]:
        keys = list(unique)
        stream = (Source(str(k), unique[key]) for k, key in enumerate(keys))
        store = embed(TowerEncoder(self.tower), stream, folder, total=len(keys), quiet=quiet)
        self.bad = [f"{entry['source']}: {entry['why']}" for entry in store.errors()]
        parts, position = [], dict[Any, int]()
        for batch in store.batches(columns=("id", "embedding", "norm")):
            parts.append(batch.embeddings * batch.norms.unsqueeze(1))  # the store holds them apart
            for identity in batch.ids:
                position[keys[int(identity)]] = len(position)
        self.features = torch.cat(parts)
        return position


class PairDataset:
    """Pairs of two modalities, grouped by the one with fewer items: an epoch sees each of its items once, with one
    partner.
    """

    def __init__(self, x: tuple[str, ColumnDataset], y: tuple[str, ColumnDataset]) -> None:
        if len(set(x[1].rows)) > len(set(y[1].rows)):
            x, y = y, x
        self.x, self.y = x, y
        partners: dict[int, list[int]] = {}
        for i, j in zip(x[1].rows, y[1].rows, strict=True):
            if i >= 0 and j >= 0:
                partners.setdefault(i, []).append(j)
        self.partners = list(partners.items())
        if len(self.partners) < 2:
            raise C3Error(f"fewer than two readable pairs of {x[0]} and {y[0]}: there is nothing to contrast.")

    def __len__(self) -> int:
        return len(self.partners)

    def draw(self, chosen: Iterable[int], generator: torch.Generator) -> tuple[list[int], list[int]]:
        """Rows of both columns for the chosen groups, with one partner of each drawn at random."""
        groups = [self.partners[k] for k in chosen]
        picks = [int(torch.randint(len(others), (), generator=generator)) for _, others in groups]
        return [i for i, _ in groups], [others[k] for (_, others), k in zip(groups, picks, strict=True)]
