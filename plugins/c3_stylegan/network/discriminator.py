"""StyleGAN2's residual discriminator with LAFITE's second head, whose features match the condition."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from c3_stylegan.network.layers import EPSILON, ROOT2, Convolution, Linear, activate, lrelu
from c3_stylegan.settings import Settings

GROUP = 4


def with_batch_std(x: Tensor) -> Tensor:
    """Add a channel to (n, c, h, w): the standard deviation in groups of samples, averaged over channels and pixels.

    It shows a collapsed generator. Groups have 4, 3 or 2 samples, whichever divides n first, or else all n.
    """
    n, _, h, w = x.shape
    group = next((size for size in range(GROUP, 1, -1) if n % size == 0), n)
    grouped = x.float().reshape(group, n // group, -1)
    std = (grouped.var(dim=0, unbiased=False) + EPSILON).sqrt().mean(dim=1)  # one a group
    channel = std.repeat(group)[:, None, None, None].expand(n, 1, h, w)
    return torch.cat([x, channel.to(x.dtype)], dim=1)


class Residual(nn.Module):
    """(√2 · lrelu of two convolutions + a 1 × 1 convolution) / √2, to half the sides. `scale` holds the factors."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.same, self.down = Convolution(inputs, inputs, 3), Convolution(inputs, outputs, 3, down=True, scale=1.0)
        self.skip = Convolution(inputs, outputs, 1, down=True, bias=False, scale=1 / ROOT2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = lrelu(self.down(lrelu(self.same(x)))) + self.skip(x)
        return out


class Discriminator(nn.Module):
    """Pictures (n, 3, side, side) to f_d (n,), how real they look, and f_s (n, condition_dim), features that match the
    condition.

    `judge` adds them up: D(x, c) = f_d(x) + ⟨c, f_s(x)⟩.
    """

    def __init__(self, condition_dim: int, settings: Settings) -> None:
        super().__init__()
        widths = settings.widths()[::-1]  # from the picture's side down to 4
        self.rgb = Convolution(3, widths[0], 1)
        self.blocks = nn.Sequential(*(Residual(a, b) for a, b in pairwise(widths)))
        self.last = Convolution(widths[-1] + 1, widths[-1], 3)
        hidden = 2 * widths[-1]
        self.hidden = Linear(widths[-1] * 16, hidden)
        self.real, self.matching = Linear(hidden, 1), Linear(hidden, condition_dim)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = lrelu(self.rgb(pictures.contiguous(memory_format=torch.channels_last)))
        x = lrelu(self.last(with_batch_std(self.blocks(x))))
        hidden = activate(self.hidden(x.flatten(1)))
        return self.real(hidden).float().squeeze(1), self.matching(hidden).float()


def judge(real: Tensor, features: Tensor, conditions: Tensor) -> Tensor:
    """f_d (n,), f_s (n, d) and conditions (n, d) to logits (n,)."""
    return real + (features * conditions).sum(dim=1)
