"""Pictures as decoders take and give them: squares to learn from, arrays, PNG files, contact sheets; the base of such
decoders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from c3core.contracts import Decoder
from c3core.errors import C3Error
from c3core.io.files import atomic_write

Picture = NDArray[np.uint8]

SMALL = 96  # pixels: smaller pictures are enlarged on a sheet, in whole steps, so that single pixels stay crisp
SPACE = 4  # pixels between the pictures of a sheet


@dataclass(frozen=True)
class Square:
    """The middle square of an RGB picture, as uint8 (3, side, side). Made smaller by averaging, larger by bicubic
    interpolation.

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
    """Squares as uint8 (n, 3, side, side); a `C3Error` for anything else than what `Square(side)` gives."""
    for square in squares:
        if not isinstance(square, Tensor) or square.dtype != torch.uint8 or square.shape != (3, side, side):
            what = f"{square.dtype} {tuple(square.shape)}" if isinstance(square, Tensor) else type(square).__name__
            raise C3Error(f"training pictures must be uint8 (3, {side}, {side}), got {what}. Use the decoder's reader.")
    if not len(squares):
        raise C3Error("an empty batch has no loss: give at least one picture.")
    return torch.stack(list(squares))


def to_pictures(batch: Tensor) -> list[Picture]:
    """(n, 3, h, w) in −1 … 1, clipped, as n uint8 arrays (h, w, 3); a `C3Error` for NaN or infinity, which would be
    black.
    """
    if not torch.isfinite(batch).all():
        raise C3Error(
            "the decoder drew NaN or infinite numbers. Its training went wrong (lower learning_rate), the precision"
            " is too low, or the conditions are far from those of unit embeddings."
        )
    levels = ((batch.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().numpy())


def write_png(picture: Picture, path: Path) -> None:
    """Write uint8 RGB (h, w, 3) as a PNG file, whole or not at all; a `C3Error` for another suffix.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "grey.png"
    >>> write_png(np.full((4, 6, 3), 128, np.uint8), path)
    >>> Image.open(path).size
    (6, 4)
    """
    array = _checked(picture)
    if path.suffix.lower() != ".png":
        raise C3Error(f"pictures are written as .png, not as {path.name!r}. Change the file's name.")
    with atomic_write(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")


def write_sheet(rows: Sequence[Sequence[Picture]], path: Path) -> None:
    """Write a contact sheet: a row an input, side by side what was made of it. All pictures are uint8 RGB of one
    size.
    """
    pictures = [[_checked(picture) for picture in row] for row in rows]
    height, width = pictures[0][0].shape[:2]
    zoom = max(1, -(-SMALL // max(height, width)))
    high, wide = height * zoom + SPACE, width * zoom + SPACE
    sheet = Image.new("RGB", (SPACE + wide * max(map(len, pictures)), SPACE + high * len(pictures)), "white")
    for y, row in enumerate(pictures):
        for x, picture in enumerate(row):
            image = Image.fromarray(picture).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            sheet.paste(image, (SPACE + x * wide, SPACE + y * high))
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG")


class PictureDecoder(Decoder):
    """The base of decoders whose outputs are pictures, uint8 (h, w, 3): written as PNG files, and as a contact
    sheet.
    """

    modality: ClassVar[str] = "image"
    suffix: ClassVar[str | None] = ".png"

    def write(self, output: Picture, path: Path) -> None:
        """Write one picture as PNG."""
        write_png(output, Path(path))

    def write_overview(self, rows: Sequence[Sequence[Picture]], path: Path) -> bool:
        """Write a contact sheet."""
        write_sheet(rows, path)
        return True


def _checked(picture: Any) -> Picture:
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise C3Error(f"a picture to write must be uint8 (h, w, 3), got {array.dtype} {array.shape}.")
    return np.ascontiguousarray(array)
