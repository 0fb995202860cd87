"""Read depth and thermal pictures, which have one channel."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as F

from c3_imagebind.pictures import square
from c3core import Reader
from c3core.errors import C3Error, CorruptFile
from c3core.media import ImageReader, regular_file

_NPY = b"\x93NUMPY"


class PlaneReader(Reader):
    """Reads the central square of one channel, scaled to 224 × 224 (bicubic), as float32 (1, 224, 224).

    A source is a picture that `ImageReader` reads, whose gray becomes 0 to 1, or floats (height, width) in an array or
    a .npy file. Floats are not scaled: prepare them as the model was trained.

    >>> PlaneReader().read(np.full((300, 400), 0.5)).mean()
    tensor(0.5000)
    """

    def __init__(self, max_pixels: int = 89_478_485) -> None:
        self.max_pixels = max_pixels
        self.pictures = ImageReader(max_pixels=max_pixels)

    def read(self, source: Any) -> Tensor:
        """The channel of one source. Raises `C3Error` with the reason."""
        if isinstance(source, np.ndarray):
            return self._floats(source)
        if isinstance(source, str | os.PathLike) and (array := load_npy(source)) is not None:
            return self._floats(array)
        plane: Tensor = F.to_tensor(square(self.pictures.read(source).convert("L")))
        return plane

    def _floats(self, array: npt.NDArray[Any]) -> Tensor:
        if array.ndim != 2 or array.dtype.kind != "f" or not 0 < array.size <= self.max_pixels:
            got = f"{array.dtype} {array.shape}"
            raise C3Error(f"an array must hold at most {self.max_pixels:,} floats (h, w), got {got}")
        plane = np.array(array, dtype=np.float32)
        if not np.isfinite(plane).all():
            raise C3Error("the array holds NaN or infinite values")
        return torch.from_numpy(np.array(square(Image.fromarray(plane)))).unsqueeze(0)


def load_npy(source: str | os.PathLike[str]) -> npt.NDArray[Any] | None:
    """The array in a .npy file, mapped from it, or None if the content is of another kind."""
    path = regular_file(source)
    with open(path, "rb") as handle:
        if handle.read(len(_NPY)) != _NPY:
            return None
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CorruptFile(f"is not a whole .npy file of numbers: {error}") from error
    return array
