"""Pictures as CLIP takes them: in a worker with Pillow (the same pixels as open_clip's transform), or in torch with
gradient.
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

    The pixels are those that open_clip's own transform hands to its normalisation. It is not that transform, because a
    worker that reads must not import open_clip, nor hold modules, and a uint8 is a quarter of a float on its way back.
    """

    size: tuple[int, int]  # (height, width)
    mode: str = "shortest"  # which side meets the model's size; "squash": both
    bilinear: bool = False  # else bicubic
    fill: int = 0  # the grey beside a picture whose longest side meets the size

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
        """The same of (n, 3, h, w) in 0 .. 1, with gradient: (n, 3, height, width) in 0 .. 1.

        Rounding to 8 bits aside, a picture comes out as `__call__` makes it.
        """
        height, width = self.resized(*batch.shape[2:])
        if (height, width) != tuple(batch.shape[2:]):
            kind = "bilinear" if self.bilinear else "bicubic"
            batch = F.interpolate(batch, (height, width), mode=kind, antialias=True, align_corners=False).clamp(0, 1)
        top, left = _offset(height, self.size[0]), _offset(width, self.size[1])
        beside = [-left, self.size[1] - width + left, -top, self.size[0] - height + top]  # below zero: cut
        return F.pad(batch, beside, value=self.fill / 255) if any(beside) else batch

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) before the crop. Rounded as torchvision does, or as timm does where open_clip follows it."""
        if self.mode == "squash":
            return self.size
        if self.mode == "shortest" and self.size[0] == self.size[1]:
            side, short = self.size[0], min(height, width)
            return (side, int(side * width / short)) if height <= width else (int(side * height / short), side)
        ratios = height / self.size[0], width / self.size[1]
        ratio = min(ratios) if self.mode == "shortest" else max(ratios)
        return round(height / ratio), round(width / ratio)


def _offset(have: int, want: int) -> int:
    """Where a centred crop begins; below zero, how much is put before. Rounded as torchvision does."""
    return round((have - want) / 2) if have >= want else -((want - have) // 2)


class FrameReader(Reader):
    """Evenly spaced frames of a video, each made the model's size: a uint8 tensor (frames, 3, height, width)."""

    def __init__(self, fit: Fit, frames: int) -> None:
        self.fit, self.video = fit, VideoReader(frames)

    def read(self, source: Any) -> Tensor:
        """The frames. Raises `C3Error` with the reason."""
        return torch.stack([self.fit(Image.fromarray(frame)) for frame in self.video.read(source)])


def picture_reader(fit: Fit) -> Reader:
    """Pictures made the model's size: uint8 tensors (3, height, width)."""
    return ImageReader(fit, own_colours=True)  # open_clip makes them RGB after it has resized them


def check_raw(batch: Tensor) -> Tensor:
    """(n, 3, h, w) of floats, or a `C3Error`."""
    if batch.ndim != 4 or batch.shape[1] != 3 or not batch.is_floating_point() or 0 in batch.shape[2:]:
        raise C3Error(f"pictures must be floats (n, 3, h, w), RGB in 0 .. 1; got {batch.dtype} {tuple(batch.shape)}.")
    return batch


class Normalise:
    """uint8 pixels, or floats in 0 .. 1, to what the model takes, on its device; bit for bit as torchvision does."""

    def __init__(self, mean: Sequence[float] | float, std: Sequence[float] | float, device: torch.device) -> None:
        # One number is of all three channels, as open_clip has it.
        self.mean, self.std = (torch.tensor(value, device=device).expand(3).view(3, 1, 1) for value in (mean, std))

    def __call__(self, pixels: Tensor) -> Tensor:
        pixels = pixels.to(self.mean.device)
        if pixels.dtype == torch.uint8:  # in place: fresh memory for each step would take longer than the arithmetic
            return pixels.float().div_(255).sub_(self.mean).div_(self.std)
        return (pixels - self.mean) / self.std
