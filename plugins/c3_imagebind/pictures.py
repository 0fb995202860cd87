"""Read pictures and videos as squares of 224 pixels, as upstream's `data.py` does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from c3core import Reader
from c3core.errors import C3Error
from c3core.media import ImageReader, VideoReader

SIDE = 224
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
CLIPS, SECONDS, FRAMES, CROPS = 5, 2.0, 2, 3
NARROW = 32  # the largest ratio of the sides: scaling the short side to 224 would need absurd memory


def refuse_narrow(width: int, height: int) -> None:
    """Raise `C3Error` for a picture that is more than 32 times as long as wide."""
    if max(width, height) > NARROW * min(width, height):
        raise C3Error(f"the picture of {width} x {height} pixels is more than {NARROW} times as long as wide: crop it")


def square(picture: Any) -> Any:
    """The central square, 224 × 224 (bicubic), of a PIL image or of pixels (…, h, w)."""
    width, height = F.get_image_size(picture)
    refuse_narrow(width, height)
    return F.center_crop(F.resize(picture, [SIDE], InterpolationMode.BICUBIC), [SIDE, SIDE])


def photo(picture: Image.Image) -> Tensor:
    """A tensor (3, 224, 224), float32, of an RGB picture, normalized as CLIP's."""
    pixels: Tensor = F.normalize(F.to_tensor(square(picture)), MEAN, STD)
    return pixels


def photos_of(pixels: Tensor) -> Tensor:
    """A tensor (n, 3, 224, 224) with gradient, of pixels (n, 3, h, w) in 0 to 1."""
    normalized: Tensor = F.normalize(square(pixels).clamp(0, 1), MEAN, STD)
    return normalized


class PhotoReader(ImageReader):
    """Reads what `ImageReader` reads, as float32 (3, 224, 224).

    >>> PhotoReader().read(np.zeros((300, 400, 3), dtype=np.uint8)).shape
    torch.Size([3, 224, 224])
    """

    def __init__(self) -> None:
        super().__init__(photo)


class ClipReader(Reader):
    """Reads what `VideoReader` reads, as float32 (15, 3, 2, 224, 224).

    There are 5 clips of 2 s, with the first and the last frame of each. Each clip gives 3 crops: at the left, in the
    center and at the right, or from top to bottom if the video is higher than wide.

    >>> ClipReader().read((np.zeros((30, 60, 80, 3), dtype=np.uint8), 10.0)).shape
    torch.Size([15, 3, 2, 224, 224])
    """

    def __init__(self, decoder: str = "pyav") -> None:
        self.videos = VideoReader(FRAMES, clips=CLIPS, seconds=SECONDS, decoder=decoder)

    def read(self, source: Any) -> Tensor:
        """The three crops of each clip in turn. Raises `C3Error` with the reason."""
        frames = self.videos.read(source)
        refuse_narrow(frames.shape[3], frames.shape[2])
        return torch.cat([_crops(clip) for clip in frames])


def _crops(clip: npt.NDArray[np.uint8]) -> Tensor:
    """Three squares (3, 3, 2, 224, 224) of one clip (2, h, w, 3), channels before frames."""
    pixels = torch.from_numpy(np.ascontiguousarray(clip)).permute(3, 0, 1, 2).float() / 255
    height, width = pixels.shape[2:]
    # The model was trained on videos that were resized without antialiasing, to sizes rounded down.
    size = (SIDE, math.floor(width / height * SIDE)) if width >= height else (math.floor(height / width * SIDE), SIDE)
    pixels = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
    pixels = (pixels - torch.tensor(MEAN).view(3, 1, 1, 1)) / torch.tensor(STD).view(3, 1, 1, 1)
    spare = max(size) - SIDE
    starts = [0, math.ceil(spare / 2), spare]
    along = 3 if width >= height else 2
    return torch.stack([pixels.narrow(along, start, SIDE) for start in starts])
