"""The video tower, which sees eight frames of 32 × 32 as channels, so that the first convolution sees motion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from c3_playground.towers.grid import GridNet
from c3_playground.towers.image import SIDE, to_small
from c3_playground.towers.plain import why_not_plain
from c3core.contracts import Reader, Tower
from c3core.media import VideoReader

FRAMES = 8


class ClipReader(Reader):
    """Reads a file, or an array (n, h, w, 3), as eight evenly spaced frames: uint8 (8 · 3, 32, 32)."""

    def read(self, source: Any) -> Tensor:
        frames = source if isinstance(source, np.ndarray) else VideoReader().read(source)
        if frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
            raise ValueError(f"a clip is an array (frames, height, width, 3), got {frames.shape}")
        chosen = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
        return torch.cat([to_small(Image.fromarray(frames[k])) for k in chosen])


class VideoTower(Tower):
    """Features (n, width) of clips."""

    modality = "video"

    def __init__(self, *, stages: Sequence[int] = (48, 64, 128), layers: int = 1) -> None:
        super().__init__()
        self.stages, self.layers, self.width = tuple(stages), layers, stages[-1]
        self.net = GridNet(3 * FRAMES, self.stages, cells=(SIDE >> len(stages)) ** 2, layers=layers)

    def reader(self) -> Reader:
        return ClipReader()

    def collate(self, items: Sequence[Any]) -> Tensor:
        """uint8 (n, 24, 32, 32)."""
        return torch.stack(list(items))

    def unlike(self, item: Tensor) -> str | None:
        return why_not_plain(item[:3])

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net(batch.float() / 127.5 - 1)
        return features

    def config(self) -> dict[str, Any]:
        return {"stages": list(self.stages), "layers": self.layers}
