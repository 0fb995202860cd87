"""The image tower: 32×32 pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from c3_playground.towers.grid import GridNet
from c3core.contracts import Reader
from c3core.readers.image import ImageReader
from c3core.towers import Tower

SIDE = 32


def to_small(picture: Image.Image) -> Tensor:
    """A picture of any size as uint8 (3, 32, 32)."""
    if picture.size != (SIDE, SIDE):
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BOX if min(picture.size) > SIDE else Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


class ImageTower(Tower):
    """Pictures to features (n, width)."""

    modality = "image"

    def __init__(self, *, stages: Sequence[int] = (32, 64, 128), layers: int = 1) -> None:
        super().__init__()
        self.stages, self.layers, self.width = tuple(stages), layers, stages[-1]
        self.net = GridNet(3, self.stages, cells=(SIDE >> len(stages)) ** 2, layers=layers)

    def reader(self) -> Reader:
        return ImageReader(transform=to_small)

    def collate(self, items: Sequence[Any]) -> Tensor:
        """uint8 (n, 3, 32, 32)."""
        return torch.stack(list(items))

    def from_raw(self, batch: Tensor) -> Tensor:
        """(n, 3, h, w) in 0 .. 1 as float (n, 3, 32, 32) in 0 .. 255, with gradient."""
        if batch.shape[-2:] != (SIDE, SIDE):
            batch = interpolate(batch, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        return batch * 255

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net(batch.float() / 127.5 - 1)
        return features

    def config(self) -> dict[str, Any]:
        return {"stages": list(self.stages), "layers": self.layers}
