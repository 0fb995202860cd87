"""The image tower: a network for 32 × 32 pictures that was trained to name what stands where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import interpolate

from c3_playground.towers.places import PLACE_COUNT, TRUNK, PlacesNet
from c3_playground.towers.plain import why_not_plain
from c3core.contracts import Reader, Tower
from c3core.io import sha256
from c3core.media import ImageReader

SIDE = 32


def to_small(picture: Image.Image) -> Tensor:
    """Resize a picture to uint8 (3, 32, 32)."""
    if picture.size != (SIDE, SIDE):
        picture = picture.resize(
            (SIDE, SIDE), Image.Resampling.BOX if min(picture.size) > SIDE else Image.Resampling.BICUBIC
        )
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


class ImageTower(Tower):
    """Features (n, 864) of pictures: 96 for each of nine places.

    `python -m c3_playground.painters.factor_reader` trained the network, on other pictures and with another seed than
    the reader that scores drawings. With `frozen=False` it is trained further and saved with the space.

    >>> tower = ImageTower()
    >>> tower(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 864])
    """

    modality = "image"

    def __init__(self, *, frozen: bool = True) -> None:
        super().__init__()
        self.frozen = frozen
        self.net = PlacesNet()
        self.net.load_state_dict(load_file(TRUNK))
        self.width = PLACE_COUNT * self.net.width

    def reader(self) -> Reader:
        return ImageReader(transform=to_small)

    def collate(self, items: Sequence[Any]) -> Tensor:
        """uint8 (n, 3, 32, 32)."""
        return torch.stack(list(items))

    def unlike(self, item: Tensor) -> str | None:
        return why_not_plain(item)

    def from_raw(self, batch: Tensor) -> Tensor:
        """Resize pictures (n, 3, h, w) in 0 to 1 to floats (n, 3, 32, 32) in 0 to 255, with gradient."""
        if batch.shape[-2:] != (SIDE, SIDE):
            batch = interpolate(batch, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        return batch * 255

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net(batch.float() / 127.5 - 1).flatten(1)
        return features

    def config(self) -> dict[str, Any]:
        return {"frozen": self.frozen}

    def identity(self) -> str:
        """The hash of the shipped weights if the tower is frozen."""
        return f"{type(self).__name__} {sha256(TRUNK)}" if self.frozen else super().identity()
