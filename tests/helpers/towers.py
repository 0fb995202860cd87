"""A small tower: vectors of three numbers, with dropout, augmentation and a gradient to its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from c3core import Reader, Tower


class VectorReader(Reader):
    def read(self, source: Any) -> Tensor:
        return torch.tensor(source, dtype=torch.float32)


class VectorTower(Tower):
    width = 4

    def __init__(self, modality: str = "vector", *, dropout: float = 0.0, frozen: bool = False) -> None:
        super().__init__()
        self.modality, self.dropout, self.frozen = modality, dropout, frozen
        self.net = nn.Sequential(nn.Linear(3, self.width), nn.Dropout(dropout))

    def reader(self) -> Reader:
        return VectorReader()

    def collate(self, items: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(items))

    def from_raw(self, batch: Tensor) -> Tensor:
        return batch.mean(dim=(2, 3))

    def augment(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        return batch + torch.randn(batch.shape, generator=generator)

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net(batch)
        return features

    def config(self) -> dict[str, Any]:
        return {"modality": self.modality, "dropout": self.dropout, "frozen": self.frozen}


def vectors(count: int, seed: int = 0) -> list[tuple[float, ...]]:
    """Return sources of the tower."""
    drawn = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return [tuple(row) for row in drawn.tolist()]
