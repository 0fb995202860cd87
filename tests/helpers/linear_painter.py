"""The smallest decoder that is trained: one layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from c3core.contracts import Decoder, Reader
from c3core.media.image import ImageReader
from tests.helpers.spaces import DIM


class LinearPainter(Decoder):
    """One linear layer from conditions to 32 × 32 pictures."""

    name = "linear"
    modality = "image"

    def __init__(self, condition_dim: int = DIM, **settings: Any) -> None:
        super().__init__(condition_dim, **settings)

    def _build(self, targets: Iterable[Any]) -> None:
        self.layer = nn.Linear(DIM, 3 * 32 * 32)

    def reader(self) -> Reader:
        return ImageReader(
            transform=lambda picture: torch.tensor(list(picture.tobytes())).view(32, 32, 3).permute(2, 0, 1) / 255
        )

    def collate(self, targets: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(targets))

    def paint(self, conditions: Tensor) -> Tensor:
        painted: Tensor = self.layer(conditions).view(-1, 3, 32, 32).sigmoid()
        return painted

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        return (self.paint(conditions) - batch).square().mean()

    def _generate(self, conditions: Tensor, options: Any, generators: list[torch.Generator]) -> list[Any]:
        return list(self.paint(conditions))
