"""The training data of `c3 connect`: the items of a column, the pairs of two columns, and batches of several tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from c3core.contracts import BadItem, Tower
from c3core.contracts.reader import summarize_bad
from c3core.data.sources import Source
from c3core.data.tables import key_of
from c3core.embedding.embedder import embed
from c3core.errors import C3Error, warn
from c3core.runtime.progress import progress_bar
from c3core.spaces.features import FeatureEncoder, features_of
from c3core.training.seed import seed_of


class ColumnDataset:
    """The distinct items of a table's column. `rows[i]` is the item of the table's row i, or −1 if it is unreadable.

    For a tower that trains, `items` holds what its reader makes. For a frozen tower, `features` (n, width) holds what
    the tower makes, computed once and stored in `folder`.
    """

    def __init__(self, tower: Tower, sources: Sequence[Any], folder: Path, *, quiet: bool) -> None:
        self.tower = tower
        self.items: list[Any] = []
        self.features: Tensor | None = None
        self.bad: list[object] = []
        keys = [key_of(source) for source in sources]
        distinct = dict(zip(keys, sources, strict=True))
        found = self._features(distinct, folder, quiet=quiet) if tower.frozen else self._items(distinct, quiet=quiet)
        self.rows = [found.get(key, -1) for key in keys]
        if self.bad:
            first = summarize_bad(self.bad, len(self.bad))
            warn(f"{len(self.bad)} source(s) could not be read and are left out: {first}")

    def _items(self, distinct: dict[Any, Any], *, quiet: bool) -> dict[Any, int]:
        """Read the items. Return the row of each key."""
        reader, rows = self.tower.reader(), dict[Any, int]()
        with progress_bar(f"reading {self.tower.modality}", total=len(distinct), quiet=quiet) as bar:
            for key, source in distinct.items():
                item = reader(source)
                if isinstance(item, BadItem):
                    self.bad.append(item)
                else:
                    rows[key] = len(self.items)
                    self.items.append(item)
                bar.advance(1)
        return rows

    def _features(self, distinct: dict[Any, Any], folder: Path, *, quiet: bool) -> dict[Any, int]:
        """Compute the features. Return the row of each key."""
        keys = list(distinct)
        sources = (Source(str(k), distinct[key]) for k, key in enumerate(keys))
        store = embed(FeatureEncoder(self.tower), sources, folder, total=len(keys), quiet=quiet)
        self.bad = list(store.errors())
        features, rows = [], dict[Any, int]()
        for batch in store.batches(columns=("id", "embedding", "norm")):
            features.append(features_of(batch))
            for identity in batch.ids:
                rows[keys[int(identity)]] = len(rows)
        self.features = torch.cat(features)
        return rows


class PairDataset:
    """Pairs of two columns, grouped by the column with fewer items (`x`).

    An epoch sees each item of `x` once, with one of its partners in `y`.
    """

    def __init__(self, x: ColumnDataset, y: ColumnDataset) -> None:
        if len(set(x.rows)) > len(set(y.rows)):
            x, y = y, x
        self.x, self.y = x, y
        partners: dict[int, list[int]] = {}
        for i, j in zip(x.rows, y.rows, strict=True):
            if i >= 0 and j >= 0:
                partners.setdefault(i, []).append(j)
        self.partners = list(partners.items())
        if len(self.partners) < 2:
            raise C3Error(f"fewer than two readable pairs of {self.name}: add pairs, or mend the files.")

    @property
    def name(self) -> str:
        return f"{self.x.tower.modality}-{self.y.tower.modality}"

    def __len__(self) -> int:
        return len(self.partners)

    def draw(self, groups: Iterable[int], generator: torch.Generator) -> tuple[list[int], list[int]]:
        """Return items of both columns for the given groups. One partner of each is drawn at random."""
        chosen = [self.partners[k] for k in groups]
        picks = [int(torch.randint(len(others), (), generator=generator)) for _, others in chosen]
        return [i for i, _ in chosen], [others[k] for (_, others), k in zip(chosen, picks, strict=True)]


class PairBatches:
    """Batches of the groups of several tables, spread evenly over an epoch. The order depends on seed and epoch.

    `neighbours` groups that follow one another in a table stay together.
    """

    def __init__(self, tables: Sequence[PairDataset], neighbours: Sequence[int], *, batch_size: int, seed: int) -> None:
        self.tables, self.neighbours, self.seed = tables, neighbours, seed
        self.sizes = [min(batch_size, len(table)) for table in tables]
        self.counts = [len(table) // size for table, size in zip(tables, self.sizes, strict=True)]

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return sum(self.counts)

    def epoch(self, number: int) -> Iterator[tuple[PairDataset, list[int]]]:
        """Yield the table and the groups of each batch."""
        generator = torch.Generator().manual_seed(seed_of(self.seed, number))
        orders = [shuffled(len(table), run, generator) for table, run in zip(self.tables, self.neighbours, strict=True)]
        places = [((b + 0.5) / count, t, b) for t, count in enumerate(self.counts) for b in range(count)]
        for _, t, b in sorted(places):
            yield self.tables[t], orders[t][b * self.sizes[t] : (b + 1) * self.sizes[t]]


def shuffled(count: int, run: int, generator: torch.Generator) -> list[int]:
    """Return 0 … count − 1 in random order, with each `run` of consecutive numbers kept together."""
    first = torch.randperm(-(-count // run), generator=generator) * run
    rows = (first.unsqueeze(1) + torch.arange(run)).flatten()
    order: list[int] = rows[rows < count].tolist()
    return order
