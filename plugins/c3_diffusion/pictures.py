"""Pictures as the decoders take and give them: squares of bytes, read from anything and written as PNG."""

from __future__ import annotations

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

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Square:
    """An RGB picture as uint8 (3, side, side): its middle square, scaled."""

    side: int

    def __call__(self, picture: Image.Image) -> Tensor:
        if picture.size != (self.side, self.side):
            short = min(picture.size)
            left, top = (picture.width - short) // 2, (picture.height - short) // 2
            # Cropped first: `resize(box=…)` would mix in what lies around the box.
            picture = picture.crop((left, top, left + short, top + short))
            picture = picture.resize((self.side, self.side), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def to_arrays(pictures: Tensor) -> list[Pixels]:
    """(n, 3, h, w) in −1 … 1, clipped, as n uint8 arrays (h, w, 3)."""
    levels = ((pictures.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().numpy())


def write_png(output: Any, path: Path) -> None:
    """Write one uint8 picture (h, w, 3) as PNG, whole or not at all."""
    if not isinstance(output, np.ndarray) or output.dtype != np.uint8 or output.ndim != 3 or output.shape[2] != 3:
        raise C3Error(f"a picture to write must be a uint8 array (h, w, 3), got {type(output).__name__}.")
    with replacing(path) as temporary:
        Image.fromarray(output).save(temporary, format="PNG")
