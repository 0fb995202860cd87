"""Pictures in and out: squares for training, and PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from c3core.errors import C3Error
from c3core.files import replacing

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Square:
    """The middle square of a picture, as uint8 (3, side, side).

    >>> Square(32)(Image.new("RGB", (64, 48))).shape
    torch.Size([3, 32, 32])
    """

    side: int

    def __call__(self, picture: Image.Image) -> Tensor:
        width, height = picture.size
        if (width, height) != (self.side, self.side):
            short = min(width, height)
            left, top = (width - short) / 2, (height - short) / 2
            how = Image.Resampling.BOX if short > self.side else Image.Resampling.BICUBIC
            picture = picture.resize((self.side, self.side), how, box=(left, top, left + short, top + short))
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def stack(squares: Sequence[Any], side: int) -> Tensor:
    """Squares as float32 (n, 3, side, side) in −1 .. 1; a `C3Error` for anything else than what `Square(side)` gives."""
    for square in squares:
        if not isinstance(square, Tensor) or square.dtype != torch.uint8 or square.shape != (3, side, side):
            what = f"{square.dtype} {tuple(square.shape)}" if isinstance(square, Tensor) else type(square).__name__
            raise C3Error(f"training pictures must be uint8 (3, {side}, {side}), got {what}. Use the decoder's reader.")
    if not len(squares):
        raise C3Error("an empty batch has no loss: give at least one picture.")
    return torch.stack(list(squares)).float() / 127.5 - 1


def to_pictures(batch: Tensor) -> list[Picture]:
    """(n, 3, h, w) in −1 .. 1 as uint8 arrays (h, w, 3)."""
    levels = ((batch.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def write_png(picture: Picture, path: Path) -> None:
    """Write a picture as PNG, whole or not at all; a `C3Error` for another suffix."""
    if path.suffix.lower() != ".png":
        raise C3Error(f"pictures are written as .png, not as {path.name!r}. Change the file's name.")
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)
