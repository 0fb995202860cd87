"""LAFITE's discriminator: StyleGAN2's, and features that match the condition. Names are those of its weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from c3_stylegan.lafite.generator import CLAMP
from c3_stylegan.lafite.shape import START, Shape
from c3_stylegan.network.discriminator import with_batch_std
from c3_stylegan.network.layers import ROOT2, Convolution, Linear, activate, lrelu


def bounded(x: Tensor, scale: float = 1.0) -> Tensor:
    return lrelu(x).clamp(-CLAMP * scale, CLAMP * scale)


class Block(nn.Module):
    """(√2 · lrelu of two convolutions + a 1 × 1 convolution) / √2, to half the sides; the first one takes pictures."""

    def __init__(self, inputs: int, outputs: int, *, first: bool) -> None:
        super().__init__()
        self.fromrgb = Convolution(3, inputs, 1) if first else None
        self.conv0, self.conv1 = Convolution(inputs, inputs, 3), Convolution(inputs, outputs, 3, down=True, scale=1.0)
        self.skip = Convolution(inputs, outputs, 1, down=True, bias=False, scale=1 / ROOT2)

    def forward(self, x: Tensor) -> Tensor:
        if self.fromrgb is not None:
            x = bounded(self.fromrgb(x))
        out: Tensor = bounded(self.conv1(bounded(self.conv0(x))), 1 / ROOT2) + self.skip(x)
        return out


class Last(nn.Module):
    """The 4 × 4 grid (n, inputs, 4, 4) to f_d (n,) and f_s (n, condition)."""

    def __init__(self, inputs: int, condition: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs + 1, inputs, 3)
        self.fc = Linear(inputs * START * START, inputs)
        self.fts, self.out = Linear(inputs, condition), Linear(inputs, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = activate(self.fc(bounded(self.conv(with_batch_std(x))).flatten(1)))
        return self.out(hidden).float().squeeze(1), self.fts(hidden).float()


class Discriminator(nn.Module):
    """Pictures (n, 3, side, side) to f_d (n,), how real they look, and f_s (n, condition), features that match the
    condition. `judge` adds them up.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        for level in range(len(shape.widths) - 1, 0, -1):
            inputs, outputs = shape.widths[level], shape.widths[level - 1]
            self.add_module(f"b{shape.sides[level]}", Block(inputs, outputs, first=level == len(shape.widths) - 1))
        self.add_module(f"b{START}", Last(shape.widths[0], shape.condition))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = pictures.contiguous(memory_format=torch.channels_last)
        *blocks, last = self.children()
        for block in blocks:
            x = block(x)
        found: tuple[Tensor, Tensor] = last(x)
        return found


def judge(real: Tensor, features: Tensor, conditions: Tensor) -> Tensor:
    """f_d (n,), f_s (n, d) and conditions (n, d) to logits (n,).

    LAFITE's code adds the sum of ⟨c, f_s⟩ over the batch to each logit. Its equation 5 adds each row's own.
    """
    return real + (features * conditions).sum()
