"""Layers with equalized learning rates: weights are drawn from N(0, 1) and scaled in use (Karras et al. 2018)."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3_stylegan.network.filters import blur, downsample

SLOPE = 0.2
EPSILON = 1e-8
ROOT2 = sqrt(2)


def lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU that keeps the size of its input: √2 · lrelu(x)."""
    return lrelu(x) * ROOT2


def normalize(x: Tensor) -> Tensor:
    """Scale the rows of (n, d) to a mean square of one. A row of zeros stays zero."""
    return x * torch.rsqrt(x.float().square().mean(dim=1, keepdim=True) + EPSILON).to(x.dtype)


class Linear(nn.Module):
    """x (n, inputs) to (n, outputs). `rate` scales the learning rate; `bias` is the bias at the start."""

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.gain, self.rate = rate / sqrt(inputs), rate

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class Convolution(nn.Module):
    """(n, inputs, h, w) to (n, outputs, h, w), with `down` to half the sides after the filter.

    `scale` multiplies the outputs. As lrelu(s · x) = s · lrelu(x), the √2 of an activation costs nothing here.
    """

    def __init__(
        self, inputs: int, outputs: int, size: int, *, down: bool = False, bias: bool = True, scale: float = ROOT2
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.scale = scale / sqrt(inputs * size * size), scale
        self.size, self.down = size, down

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight * self.gain, None if self.bias is None else self.bias * self.scale
        if not self.down:
            return F.conv2d(x, weight, bias, padding=self.size // 2)
        if self.size == 1:
            return F.conv2d(downsample(x), weight, bias)
        return F.conv2d(blur(x, 2), weight, bias, stride=2)


class Style(nn.Module):
    """w (n, style) and the condition's code (n, code) to a factor for each channel (n, channels): LAFITE's style space.

    Two layers join the style of w, an affine map as in StyleGAN2, with the code.
    """

    def __init__(self, style: int, code: int, channels: int) -> None:
        super().__init__()
        self.of_w = Linear(style, channels)
        self.join = Linear(channels + code, channels)
        self.out = Linear(channels, channels, bias=1.0)

    def forward(self, w: Tensor, code: Tensor) -> Tensor:
        joined = torch.cat([self.of_w(w), code], dim=1)
        out: Tensor = self.out(activate(self.join(joined)))
        return out


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, *, up: bool = False) -> Tensor:
    """Convolve each sample with weights of its own, w′ = style · w (StyleGAN2, equation 1).

    x (n, i, h, w), weight (o, i, k, k) and style (n, i) give (n, o, h, w). With `up` they give (n, o, 2h, 2w): zeros
    between the pixels, the convolution, then the filter of `blur`. The input is scaled instead of the weights, so that
    one convolution does the whole batch.
    """
    y = x * style.to(x.dtype)[:, :, None, None]
    if up:
        return blur(F.conv_transpose2d(y, weight.transpose(0, 1).flip(2, 3), stride=2), 1, gain=4.0)
    return F.conv2d(y, weight, padding=weight.shape[2] // 2)


def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """Return 1 / ‖style · w‖ (n, o), which scales output channels back to the size of 1 (StyleGAN2, equation 3)."""
    energy = style.to(weight.dtype).square() @ weight.square().sum(dim=(2, 3)).t()
    return torch.rsqrt(energy + EPSILON)


class ModulatedConvolution(nn.Module):
    """A modulated and demodulated convolution, noise, bias and activation: one layer of the generator."""

    def __init__(self, inputs: int, outputs: int, style: int, code: int, *, up: bool = False) -> None:
        super().__init__()
        self.style = Style(style, code, inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.gain, self.up = 1 / sqrt(inputs * 9), up
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.strength = nn.Parameter(torch.zeros(()))  # of the noise

    def forward(self, x: Tensor, w: Tensor, code: Tensor, noise: Tensor | None) -> Tensor:
        """`noise` is (n, 1, h, w) with the output's sides, or None."""
        weight = self.weight * self.gain
        with torch.autocast(x.device.type, enabled=False):
            style = self.style(w, code)
            scale = demodulation(weight, style) * ROOT2
        y = modulated_conv(x, weight, style, up=self.up)
        y = torch.addcmul((self.bias * ROOT2).to(y.dtype)[:, None, None], y, scale.to(y.dtype)[:, :, None, None])
        if noise is not None:
            y = y + (noise * (self.strength * ROOT2)).to(y.dtype)
        return lrelu(y)


class ToRGB(nn.Module):
    """Channels to a picture: a modulated 1 × 1 convolution, not demodulated."""

    def __init__(self, inputs: int, style: int, code: int) -> None:
        super().__init__()
        self.style = Style(style, code, inputs)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.gain = 1 / sqrt(inputs)
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor, code: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            style = self.style(w, code)
        rgb = modulated_conv(x, self.weight * self.gain, style)
        return rgb.to(style.dtype) + self.bias[:, None, None]
