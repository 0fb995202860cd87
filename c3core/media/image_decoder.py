"""Pictures as decoders take and return them, and the base class of decoders that draw."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from c3core.contracts import Decoder
from c3core.errors import C3Error, WrongCall
from c3core.io.files import atomic_write

Picture = NDArray[np.uint8]

SMALL = 96  # pixels: a contact sheet enlarges smaller pictures in whole steps, so that single pixels stay sharp
GAP = 4  # pixels between the pictures of a contact sheet


class PictureDecoder(Decoder):
    """The base of decoders that draw. A plugin writes `_draw` in place of `_generate`.

    Outputs are uint8 RGB arrays (h, w, 3). They are written as PNG files, and as a contact sheet.
    """

    modality: ClassVar[str] = "image"
    suffix: ClassVar[str | None] = ".png"

    def _generate(self, conditions: Tensor, options: Any, generators: list[torch.Generator]) -> list[Picture]:
        return to_pictures(self._draw(conditions, options, generators))

    @abstractmethod
    def _draw(self, conditions: Tensor, options: Any, generators: list[torch.Generator]) -> Tensor:
        """Return pictures (n, 3, h, w) in −1 … 1 for conditions (n, condition_dim). See `Decoder._generate`."""

    def write(self, output: Picture, path: Path) -> None:
        """Write one picture as a PNG file."""
        write_png(output, Path(path))

    def write_overview(self, rows: Sequence[Sequence[Picture]], path: Path) -> bool:
        """Write a contact sheet with a row for each input."""
        write_sheet(rows, path)
        return True


@dataclass(frozen=True)
class SquareCrop:
    """Cut out the middle square of an RGB picture and scale it to uint8 (3, side, side).

    A larger square is averaged, a smaller one is interpolated (bicubic).

    >>> SquareCrop(32)(Image.new("RGB", (64, 48))).shape
    torch.Size([3, 32, 32])
    """

    side: int

    def __call__(self, picture: Image.Image) -> Tensor:
        resampling = Image.Resampling.BOX if min(picture.size) > self.side else Image.Resampling.BICUBIC
        square = ImageOps.fit(picture, (self.side, self.side), resampling)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def stack_pictures(pictures: Sequence[Any], side: int) -> Tensor:
    """Stack pictures of `SquareCrop(side)` as uint8 (n, 3, side, side). Raises `C3Error` for any other."""
    for picture in pictures:
        if not isinstance(picture, Tensor) or picture.dtype != torch.uint8 or picture.shape != (3, side, side):
            what = f"{picture.dtype} {tuple(picture.shape)}" if isinstance(picture, Tensor) else type(picture).__name__
            raise WrongCall(f"training pictures are uint8 (3, {side}, {side}), not {what}. Use the decoder's reader.")
    if not len(pictures):
        raise WrongCall("an empty batch has no loss: give at least one picture.")
    return torch.stack(list(pictures))


def to_pictures(batch: Tensor) -> list[Picture]:
    """Turn (n, 3, h, w) in −1 … 1 into n uint8 arrays (h, w, 3). Values beyond are clipped.

    Raises `C3Error` for NaN and infinity, which would turn black.
    """
    if not torch.isfinite(batch).all():
        raise C3Error("the decoder drew NaN or infinite numbers. Lower learning_rate, or use another precision.")
    levels = ((batch.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().numpy())


def write_png(picture: Picture, path: Path) -> None:
    """Write uint8 RGB (h, w, 3) as a PNG file, whole or not at all. Raises `C3Error` for another suffix.

    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "gray.png"
    >>> write_png(np.full((4, 6, 3), 128, np.uint8), path)
    >>> Image.open(path).size
    (6, 4)
    """
    array = _checked(picture)
    if path.suffix.lower() != ".png":
        raise WrongCall(f"pictures are written as .png, not as {path.name!r}. Change the file's name.")
    with atomic_write(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")


def write_sheet(rows: Sequence[Sequence[Picture]], path: Path) -> None:
    """Write a contact sheet: pictures of one size, uint8 RGB, with a row for each input."""
    pictures = [[_checked(picture) for picture in row] for row in rows]
    height, width = pictures[0][0].shape[:2]
    zoom = max(1, -(-SMALL // max(height, width)))
    high, wide = height * zoom + GAP, width * zoom + GAP
    sheet = Image.new("RGB", (GAP + wide * max(map(len, pictures)), GAP + high * len(pictures)), "white")
    for y, row in enumerate(pictures):
        for x, picture in enumerate(row):
            image = Image.fromarray(picture).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            sheet.paste(image, (GAP + x * wide, GAP + y * high))
    with atomic_write(path) as temporary:
        sheet.save(temporary, format="PNG")


def _checked(picture: Any) -> Picture:
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise WrongCall(f"a picture to write must be uint8 (h, w, 3), got {array.dtype} {array.shape}.")
    return np.ascontiguousarray(array)
