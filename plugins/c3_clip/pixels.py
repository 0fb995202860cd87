"""Resize, crop and normalize pictures as open_clip does.

Readers do it with Pillow, in a worker process. Pictures that need a gradient are resized in torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from c3core.contracts import Reader
from c3core.errors import C3Error
from c3core.media import ImageReader, VideoReader


@dataclass(frozen=True)
class Fit:
    """Makes a picture the model's size: a uint8 tensor (3, height, width).

    The pixels are those that open_clip's own transform gives to its normalization. That transform is not used, because
    a worker that reads must not import open_clip, and uint8 takes a quarter of the bytes on its way back.
    """

    size: tuple[int, int]  # (height, width)
    mode: str = "shortest"  # which side gets the model's size, "shortest" or "longest", or "squash" for both
    bilinear: bool = False  # otherwise bicubic
    fill: int = 0  # the gray beside a picture, if its longest side gets the model's size

    @classmethod
    def of(cls, preprocess: Mapping[str, Any]) -> Fit:
        """From a `preprocess_cfg` of open_clip."""
        size = preprocess["size"]
        height, width = (size, size) if isinstance(size, int) else size
        mode = preprocess["resize_mode"]
        # open_clip resizes to sizes that are not square by bicubic, whatever the configuration says.
        bilinear = preprocess["interpolation"] == "bilinear" and (mode != "shortest" or height == width)
        return cls((height, width), mode, bilinear, preprocess["fill_color"])

    def __call__(self, picture: Image.Image) -> Tensor:
        height, width = self.resized(picture.height, picture.width)
        kind = Image.Resampling.BILINEAR if self.bilinear else Image.Resampling.BICUBIC
        picture = picture.resize((width, height), kind).convert("RGB")
        top, left = _offset(height, self.size[0]), _offset(width, self.size[1])
        canvas = Image.new("RGB", self.size[::-1], (self.fill,) * 3)
        canvas.paste(picture, (-left, -top))
        return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()

    def raw(self, batch: Tensor) -> Tensor:
        """Resize pictures (n, 3, h, w) in 0 to 1 to (n, 3, height, width), with gradient.

        The result is that of `__call__`, except that it is not rounded to 8 bits.
        """
        height, width = self.resized(*batch.shape[2:])
        if (height, width) != tuple(batch.shape[2:]):
            kind = "bilinear" if self.bilinear else "bicubic"
            batch = F.interpolate(batch, (height, width), mode=kind, antialias=True, align_corners=False).clamp(0, 1)
        top, left = _offset(height, self.size[0]), _offset(width, self.size[1])
        beside = [-left, self.size[1] - width + left, -top, self.size[0] - height + top]  # below zero: cut
        return F.pad(batch, beside, value=self.fill / 255) if any(beside) else batch

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) before the crop, rounded as torchvision or timm does, whichever open_clip follows."""
        if self.mode == "squash":
            return self.size
        if self.mode == "shortest" and self.size[0] == self.size[1]:
            side, short = self.size[0], min(height, width)
            return (side, int(side * width / short)) if height <= width else (int(side * height / short), side)
        ratios = height / self.size[0], width / self.size[1]
        ratio = min(ratios) if self.mode == "shortest" else max(ratios)
        return round(height / ratio), round(width / ratio)


def _offset(have: int, want: int) -> int:
    """The start of a central crop, rounded as torchvision does. Below zero it is the width of the padding before."""
    return round((have - want) / 2) if have >= want else -((want - have) // 2)


class FrameReader(Reader):
    """Reads evenly spaced frames of a video, of the model's size: a uint8 tensor (frames, 3, height, width)."""

    def __init__(self, fit: Fit, frames: int, decoder: str = "pyav") -> None:
        self.fit, self.video = fit, VideoReader(frames, decoder=decoder)

    def read(self, source: Any) -> Tensor:
        """The frames of a video. Raises `C3Error` with the reason."""
        return torch.stack([self.fit(Image.fromarray(frame)) for frame in self.video.read(source)])


def picture_reader(fit: Fit) -> Reader:
    """A reader of pictures of the model's size: uint8 tensors (3, height, width)."""
    return ImageReader(fit, own_colors=True)  # open_clip converts to RGB after it has resized


def check_raw(batch: Tensor) -> Tensor:
    """Pass on floats (n, 3, h, w). Raises `C3Error` for anything else."""
    if batch.ndim != 4 or batch.shape[1] != 3 or not batch.is_floating_point() or 0 in batch.shape[2:]:
        raise C3Error(f"pictures must be floats (n, 3, h, w), RGB in 0 to 1; got {batch.dtype} {tuple(batch.shape)}.")
    return batch


class Normalize:
    """Turns uint8 pixels, or floats in 0 to 1, into the model's input on its device, exactly as torchvision does."""

    def __init__(self, mean: Sequence[float] | float, std: Sequence[float] | float) -> None:
        # open_clip may give one number for all three channels.
        self.mean, self.std = (torch.tensor(value).expand(3).view(3, 1, 1) for value in (mean, std))

    def __call__(self, pixels: Tensor, device: torch.device) -> Tensor:
        pixels, mean, std = (tensor.to(device) for tensor in (pixels, self.mean, self.std))
        if pixels.dtype == torch.uint8:  # in place, because allocating memory would take longer than the arithmetic
            return pixels.float().div_(255).sub_(mean).div_(std)
        return (pixels - mean) / std
