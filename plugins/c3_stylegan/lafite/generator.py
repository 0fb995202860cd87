"""LAFITE's generator: StyleGAN2's, each of whose layers joins w with the condition. Names are those of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from c3_stylegan.lafite.shape import Shape
from c3_stylegan.network.filters import upsample_dark
from c3_stylegan.network.generator import MAPPING_RATE, MEAN_RATE, StyleGenerator, map_z
from c3_stylegan.network.layers import Linear, activate, demodulation, modulated_conv

CODE_RATE = 0.01  # of the learning rate
CLAMP = 256.0  # the largest output of a layer: LAFITE was trained in half precision


class Mapping(nn.Module):
    """z (n, z) to w (n, style)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        for number, (a, b) in enumerate(pairwise([shape.z, *[shape.style] * shape.mapping_layers])):
            self.add_module(f"fc{number}", Linear(a, b, rate=MAPPING_RATE))
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(shape.style))

    @property
    def mean(self) -> Tensor:
        return self.w_avg

    def forward(self, z: Tensor, *, moves_mean: bool = True) -> Tensor:
        w = map_z(z, self.children())
        if self.training and moves_mean:
            self.w_avg.lerp_(w.detach().mean(dim=0), MEAN_RATE)
        return w


class Styled(nn.Module):
    """The weights of a modulated convolution, and its style."""

    def __init__(self, shape: Shape, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.pre_0 = Linear(shape.condition, shape.hidden, rate=CODE_RATE)
        self.pre_1 = Linear(shape.hidden, shape.code, rate=CODE_RATE)
        self.affine_0 = Linear(shape.code + shape.style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def style(self, w: Tensor, conditions: Tensor) -> Tensor:
        """w (n, style) and conditions (n, condition) to a factor for each input channel, always in float32."""
        with torch.autocast(w.device.type, enabled=False):
            code = activate(self.pre_1(activate(self.pre_0(conditions))))
            factors: Tensor = self.affine_0(torch.cat([code, w], dim=1))
        return factors


class Layer(Styled):
    """A modulated convolution, noise, bias and activation. With `up` to twice the sides."""

    def __init__(self, shape: Shape, inputs: int, outputs: int, side: int, *, up: bool = False) -> None:
        super().__init__(shape, inputs, outputs, 3)
        self.up = up
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.noise_const: Tensor
        self.register_buffer("noise_const", torch.randn(side, side))

    def forward(self, x: Tensor, w: Tensor, conditions: Tensor, noise: Tensor | None) -> Tensor:
        """`noise` is (n, 1, h, w) with the output's sides, or None."""
        style = self.style(w, conditions)
        scale = demodulation(self.weight, style)
        weight = self.weight.flip(2, 3) if self.up else self.weight  # StyleGAN2's code mirrors these
        y = modulated_conv(x, weight, style, up=self.up)
        y = torch.addcmul(self.bias.to(y.dtype)[:, None, None], y, scale.to(y.dtype)[:, :, None, None])
        if noise is not None:
            y = y + (noise * self.noise_strength).to(y.dtype)
        return activate(y).clamp(-CLAMP, CLAMP)


class ToRGB(Styled):
    """Channels to a picture: a modulated 1 × 1 convolution, not demodulated."""

    def __init__(self, shape: Shape, inputs: int) -> None:
        super().__init__(shape, inputs, 3, 1)
        self.gain = 1 / sqrt(inputs)

    def forward(self, x: Tensor, w: Tensor, conditions: Tensor) -> Tensor:
        style = self.style(w, conditions)
        rgb = modulated_conv(x, self.weight * self.gain, style)
        return (rgb.to(style.dtype) + self.bias[:, None, None]).clamp(-CLAMP, CLAMP)


class Block(nn.Module):
    """One resolution: two layers, or one on a learned grid for the first, and a picture."""

    def __init__(self, shape: Shape, inputs: int | None, outputs: int, side: int) -> None:
        super().__init__()
        if inputs is None:
            self.const = nn.Parameter(torch.randn(outputs, side, side))
        else:
            self.conv0 = Layer(shape, inputs, outputs, side, up=True)
        self.conv1 = Layer(shape, outputs, outputs, side)
        self.torgb = ToRGB(shape, outputs)


class Generator(StyleGenerator):
    """Conditions and z to pictures (n, 3, side, side), RGB in about −1 … 1.

    >>> shape = Shape(widths=(8, 8, 8, 8), z=16, style=16, condition=8, hidden=8, code=8, mapping_layers=2)
    >>> Generator(shape)(torch.zeros(2, 8), torch.randn(2, 16)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.sides, self.z_dim = shape.sides, shape.z
        self.synthesis = nn.ModuleDict(
            {
                f"b{side}": Block(shape, inputs, outputs, side)
                for side, inputs, outputs in zip(shape.sides, (None, *shape.widths[:-1]), shape.widths, strict=True)
            }
        )
        self.mapping: Mapping = Mapping(shape)

    def draw(self, conditions: Tensor, styles: Sequence[Tensor], *, noise: Sequence[Tensor] | None = None) -> Tensor:
        maps = iter(noise if noise is not None else [None] * len(self.noise_sides()))
        first, *blocks = (block for block in self.synthesis.values() if isinstance(block, Block))
        x = first.const.expand(len(conditions), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = first.conv1(x, styles[0], conditions, next(maps))
        picture: Tensor = first.torgb(x, styles[1], conditions)
        for block, at in zip(blocks, count(1, 2)):
            x = block.conv0(x, styles[at], conditions, next(maps))
            x = block.conv1(x, styles[at + 1], conditions, next(maps))
            picture = upsample_dark(picture) + block.torgb(x, styles[at + 2], conditions)
        return picture

    def fixed_maps(self) -> list[Tensor]:
        """The network's own noise maps (1, 1, side, side), one for each of `noise_sides`."""
        layers = [part for part in self.synthesis.modules() if isinstance(part, Layer)]
        return [layer.noise_const[None, None] for layer in layers]
