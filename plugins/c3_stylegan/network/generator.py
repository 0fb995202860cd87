"""StyleGAN2's generator with the condition in its style space, as in LAFITE, and a sketch to draw on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import count, pairwise
from math import sqrt
from typing import Protocol

import torch
from torch import Tensor, nn

from c3_stylegan.network.filters import upsample
from c3_stylegan.network.layers import Linear, ModulatedConvolution, ToRGB, activate, normalize
from c3_stylegan.network.sketch import HIDDEN, LAYOUT, PLACES, SQUARE, Sketch
from c3_stylegan.settings import SMALLEST, Settings

START = 4  # side of the first grid; with a sketch the first grid is the sketch's coarse map
MAPPING_RATE = 0.01  # of the learning rate
CODE_WIDTH = 4  # of the layers between condition and code, times the code's own
MEAN_RATE = 0.005  # of the running mean of w, each time that z is mapped in training


class MapsZ(Protocol):
    """z (n, z_dim) to w (n, style). `mean` is the running mean of w, which `moves_mean` moves in training."""

    @property
    def mean(self) -> Tensor: ...
    def __call__(self, z: Tensor, *, moves_mean: bool = True) -> Tensor: ...


def map_z(z: Tensor, layers: Iterable[nn.Module]) -> Tensor:
    """z (n, z_dim) to w (n, style), always in float32."""
    with torch.autocast(z.device.type, enabled=False):
        w = normalize(z)
        for layer in layers:
            w = activate(layer(w))
    return w


class Mapping(nn.Module):
    """z (n, style) to w (n, style)."""

    def __init__(self, style: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Linear(style, style, rate=MAPPING_RATE) for _ in range(layers))
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(style))

    def forward(self, z: Tensor, *, moves_mean: bool = True) -> Tensor:
        w = map_z(z, self.layers)
        if self.training and moves_mean:
            self.mean.lerp_(w.detach().mean(dim=0), MEAN_RATE)
        return w


class Code(nn.Module):
    """Conditions (n, condition_dim) to the code (n, style) that joins every style."""

    def __init__(self, condition_dim: int, style: int) -> None:
        super().__init__()
        self.scale = sqrt(condition_dim)  # a condition has a norm of about 1: scale its entries to about 1
        widths = [condition_dim, CODE_WIDTH * style, CODE_WIDTH * style, style]
        self.layers = nn.ModuleList(Linear(a, b) for a, b in pairwise(widths))

    def forward(self, conditions: Tensor) -> Tensor:
        code = conditions * self.scale
        with torch.autocast(conditions.device.type, enabled=False):
            for layer in self.layers:
                code = activate(layer(code))
        return code


class Block(nn.Module):
    """One resolution, of twice the sides of the one before: two layers and a picture."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.up = ModulatedConvolution(inputs, outputs, style, style, up=True)
        self.same = ModulatedConvolution(outputs, outputs, style, style)
        self.rgb = ToRGB(outputs, style, style)


class StyleGenerator(nn.Module, ABC):
    """The base of generators. `sides` are those of the grids, z has `z_dim` numbers, and `mapping` maps it to w."""

    sides: list[int]
    z_dim: int
    mapping: MapsZ

    @abstractmethod
    def draw(self, conditions: Tensor, styles: Sequence[Tensor], *, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Conditions (n, condition_dim) and a w (n, style) for each of `styles` to pictures.

        As in StyleGAN2, a resolution's picture has the style of the convolution after it.
        """

    def noise_sides(self) -> list[int]:
        """The side of each noise map: one for the first grid, two for each larger one."""
        return [self.sides[0], *(side for side in self.sides[1:] for _ in range(2))]

    def forward(
        self, conditions: Tensor, z: Tensor, *, noise: Sequence[Tensor] | None = None, truncation: float = 1.0
    ) -> Tensor:
        """`noise` holds a map (n, 1, side, side) for each of `noise_sides`. `truncation` ψ moves w to its mean."""
        w = self.mapping(z)
        if truncation != 1:
            w = self.mapping.mean + truncation * (w - self.mapping.mean)
        return self.draw(conditions, self.styles(w), noise=noise)

    def styles(self, w: Tensor) -> list[Tensor]:
        """Return w for each style that `draw` takes: one for each convolution, and one for the last picture."""
        return [w] * (len(self.noise_sides()) + 1)


class Generator(StyleGenerator):
    """Conditions and z to pictures (n, 3, side, side), RGB in about −1 … 1.

    >>> generator = Generator(8, Settings(resolution=32, max_channels=8, style_dim=16))
    >>> generator(torch.zeros(2, 8), torch.randn(2, 16)).shape
    torch.Size([2, 3, 32, 32])
    """

    def __init__(self, condition_dim: int, settings: Settings) -> None:
        super().__init__()
        self.sides, widths, style = settings.sides(), settings.widths(), settings.style_dim
        self.z_dim = style
        self.mapping, self.code = Mapping(style, settings.mapping_layers), Code(condition_dim, style)
        self.sketch: Sketch | None = None
        if settings.rows is None:
            self.start = nn.Parameter(torch.randn(1, widths[0], START, START))
            begins = widths[0]
        else:
            self.sketch, begins = Sketch(condition_dim, style, settings.hidden or HIDDEN), LAYOUT
            first = self.sides.index(PLACES)
            self.sides, widths = self.sides[first:], widths[first:]
        self.first, self.rgb = ModulatedConvolution(begins, widths[0], style, style), ToRGB(widths[0], style, style)
        self.blocks = nn.ModuleList(
            Block(a + self._sketched(side), b, style)
            for side, (a, b) in zip(self.sides[1:], pairwise(widths), strict=True)
        )

    def _sketched(self, side: int) -> int:
        """The number of channels of the sketch that a block of this side sees."""
        return SQUARE if self.sketch is not None and side == SMALLEST else 0

    def draw(self, conditions: Tensor, styles: Sequence[Tensor], *, noise: Sequence[Tensor] | None = None) -> Tensor:
        code = self.code(conditions)
        maps = iter(noise if noise is not None else [None] * len(self.noise_sides()))
        sketch: Tensor | None = None
        if self.sketch is None:
            x = self.start.expand(len(conditions), -1, -1, -1)
        else:
            with torch.no_grad():  # the sketch learns from pictures, not from the discriminator
                x, sketch = self.sketch(conditions, styles[0])
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.first(x, styles[0], code, next(maps))
        picture: Tensor = self.rgb(x, styles[1], code)
        for side, block, at in zip(self.sides[1:], self.blocks, count(1, 2)):
            assert isinstance(block, Block)
            if sketch is not None and side == SMALLEST:
                x = torch.cat([x, sketch.to(x.dtype)], dim=1)
            x = block.up(x, styles[at], code, next(maps))
            x = block.same(x, styles[at + 1], code, next(maps))
            picture = upsample(picture) + block.rgb(x, styles[at + 2], code)
            if sketch is not None and side == SMALLEST:
                picture = picture + Sketch.picture(sketch)
        return picture
