"""Up- and downsampling by two with StyleGAN2's filter [1, 3, 3, 1]."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TAPS = (1.0, 3.0, 3.0, 1.0)


def blur(x: Tensor, padding: int, *, gain: float = 1.0) -> Tensor:
    """Convolve (n, c, h, w), channel by channel, with the 4 × 4 filter whose sum is `gain`.

    `padding` zeros are added on each side, so that the sides become h + 2 padding − 3.
    """
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device)
    kernel = torch.outer(taps, taps) * (gain / sum(TAPS) ** 2)
    return F.conv2d(x, kernel.expand(x.shape[1], 1, 4, 4), padding=padding, groups=x.shape[1])


def upsample(x: Tensor) -> Tensor:
    """(n, c, h, w) to (n, c, 2h, 2w): zeros between the pixels, then the filter with gain 4.

    That is bilinear interpolation. The edge's own value continues beyond it; zeros would darken the edge.

    >>> upsample(torch.ones(1, 1, 2, 2)).shape
    torch.Size([1, 1, 4, 4])
    """
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def upsample_dark(x: Tensor) -> Tensor:
    """As `upsample`, but beyond the edge there are zeros, as in StyleGAN2's code: the edge gets darker.

    >>> upsample_dark(torch.ones(1, 1, 2, 2))[0, 0, 0]
    tensor([0.5625, 0.7500, 0.7500, 0.5625])
    """
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device)
    kernel = torch.outer(taps, taps) * (4 / sum(TAPS) ** 2)
    return F.conv_transpose2d(x, kernel.expand(x.shape[1], 1, 4, 4), stride=2, padding=1, groups=x.shape[1])


def downsample(x: Tensor) -> Tensor:
    """(n, c, 2h, 2w) to (n, c, h, w): the filter, then every second pixel.

    >>> downsample(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 2, 2])
    """
    return blur(x, 1)[:, :, ::2, ::2]  # a stride is slow in the backward pass on a processor
