"""LAFITE's networks, small and with random weights: a file as `c3 convert` writes it, and plain NumPy code of both.

Convolutions are loops over samples and channels, and resampling inserts zeros and filters, as the papers describe them.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

Array = NDArray[np.float64]
FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
CLAMP = 256


def lafite_tensors(
    *,
    condition: int = 8,
    z: int = 7,
    style: int = 6,
    hidden: int = 5,
    code: int = 9,
    widths: tuple[int, ...] = (6, 5, 4),
    layers: int = 2,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The tensors of G, G_ema and D by their names, with those of StyleGAN2-ADA that tell nothing."""
    numbers = torch.Generator().manual_seed(seed)
    sizes = {
        f"{part}.{name}": size
        for part in ("G", "G_ema")
        for name, size in _generator(condition, z, style, hidden, code, widths, layers)
    }
    sizes |= {f"D.{name}": size for name, size in _discriminator(condition, widths)}
    tensors = {name: torch.randn(size, generator=numbers) for name, size in sizes.items()}
    for name, tensor in tensors.items():
        if ".pre_" in name or (".fc" in name and "D." not in name):
            tensor *= 100  # of layers with a hundredth of the learning rate
        elif name.endswith("affine_0.bias"):
            tensor += 1
        elif name.endswith("resample_filter"):
            tensor.copy_(torch.from_numpy(FILTER))
    return tensors


def write_lafite(path: Path, **sizes: Any) -> Path:
    """Write the tensors to a file, and return its path."""
    save_file(lafite_tensors(**sizes), path)
    return path


def _generator(
    condition: int, z: int, style: int, hidden: int, code: int, widths: tuple[int, ...], layers: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    def styled(name: str, inputs: int, outputs: int, size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        for part, a, b in (("pre_0", condition, hidden), ("pre_1", hidden, code), ("affine_0", code + style, inputs)):
            yield from _linear(f"{name}.{part}", a, b)
        yield from ((f"{name}.weight", (outputs, inputs, size, size)), (f"{name}.bias", (outputs,)))

    for number in range(layers):
        yield from _linear(f"mapping.fc{number}", style if number else z, style)
    yield "mapping.w_avg", (style,)
    for level, width in enumerate(widths):
        side = 4 << level
        block = f"synthesis.b{side}"
        yield f"{block}.resample_filter", (4, 4)
        if level == 0:
            yield f"{block}.const", (width, 4, 4)
        for name, inputs in (("conv0", widths[level - 1]), ("conv1", width))[level == 0 :]:
            yield from styled(f"{block}.{name}", inputs, width, 3)
            yield f"{block}.{name}.noise_const", (side, side)
            yield f"{block}.{name}.noise_strength", ()
            yield f"{block}.{name}.resample_filter", (4, 4)
        yield from styled(f"{block}.torgb", width, 3, 1)


def _discriminator(condition: int, widths: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    def convolution(name: str, inputs: int, outputs: int, size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (outputs, inputs, size, size)
        if not name.endswith("skip"):
            yield f"{name}.bias", (outputs,)
        yield f"{name}.resample_filter", (4, 4)

    for level in range(len(widths) - 1, 0, -1):
        block, inputs, outputs = f"b{4 << level}", widths[level], widths[level - 1]
        if level == len(widths) - 1:
            yield from convolution(f"{block}.fromrgb", 3, inputs, 1)
        yield from convolution(f"{block}.conv0", inputs, inputs, 3)
        yield from convolution(f"{block}.conv1", inputs, outputs, 3)
        yield from convolution(f"{block}.skip", inputs, outputs, 1)
    width = widths[0]
    yield from convolution("b4.conv", width + 1, width, 3)
    for name, a, b in (("fc", 16 * width, width), ("fts", width, condition), ("out", width, 1)):
        yield from _linear(f"b4.{name}", a, b)


def _linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from ((f"{name}.weight", (outputs, inputs)), (f"{name}.bias", (outputs,)))


# ---- the networks, sample by sample


class Reference:
    """One of the networks, of tensors whose names begin with `part`."""

    def __init__(self, tensors: dict[str, Tensor], part: str) -> None:
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}
        self.t: dict[str, Array] = {name.removeprefix(f"{part}."): x.double().numpy() for name, x in own.items()}

    def linear(self, name: str, x: Array, rate: float = 1.0) -> Array:
        weight = self.t[f"{name}.weight"]
        return weight @ x * rate / sqrt(weight.shape[1]) + self.t[f"{name}.bias"] * rate


def lrelu(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x) * sqrt(2)


def each(x: Array, kernel: Array, how: Any) -> Array:
    """Sum `how(channel, kernel)` over the input channels (i, h, w), for each output channel of kernels (o, i, k, k)."""
    return np.stack([sum(how(x[i], kernel[o, i]) for i in range(len(x))) for o in range(len(kernel))])


def correlate(x: Array, kernel: Array) -> Array:
    """(h, w) and (k, k) to (h − k + 1, w − k + 1)."""
    return np.einsum("hwij,ij->hw", np.lib.stride_tricks.sliding_window_view(x, kernel.shape), kernel)


def convolve(x: Array, kernel: Array) -> Array:
    return correlate(x, kernel[::-1, ::-1])


def padded(x: Array, before: int, after: int) -> Array:
    return np.pad(x, ((0, 0), (before, after), (before, after)))


def with_zeros(x: Array) -> Array:
    """(c, h, w) to (c, 2h, 2w): a zero after each pixel."""
    c, h, w = x.shape
    spread = np.zeros((c, 2 * h, 2 * w))
    spread[:, ::2, ::2] = x
    return spread


def filtered(x: Array, gain: float = 1.0) -> Array:
    return np.stack([convolve(channel, gain * FILTER) for channel in x])


def correlated(x: Array, kernel: Array) -> Array:
    edge = kernel.shape[2] // 2
    return each(padded(x, edge, edge), kernel, correlate)


class ReferenceGenerator(Reference):
    def w(self, z: Array) -> Array:
        w = z / np.sqrt((z**2).mean() + 1e-8)
        for number in range(sum(name.startswith("mapping.fc") for name in self.t) // 2):
            w = lrelu(self.linear(f"mapping.fc{number}", w, 0.01))
        return w

    def style(self, name: str, w: Array, condition: Array) -> Array:
        code = lrelu(self.linear(f"{name}.pre_1", lrelu(self.linear(f"{name}.pre_0", condition, 0.01)), 0.01))
        return self.linear(f"{name}.affine_0", np.concatenate([code, w]))

    def layer(self, name: str, x: Array, w: Array, condition: Array, noise: Array | None) -> Array:
        kernel = self.t[f"{name}.weight"] * self.style(name, w, condition)[None, :, None, None]
        kernel /= np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
        if name.endswith("conv0"):
            spread = padded(with_zeros(x)[:, :-1, :-1], 2, 2)
            y = filtered(padded(each(spread, kernel, convolve), 1, 1), gain=4)
        else:
            y = correlated(x, kernel)
        if noise is not None:
            y = y + noise * self.t[f"{name}.noise_strength"]
        return np.clip(lrelu(y + self.t[f"{name}.bias"][:, None, None]), -CLAMP, CLAMP)

    def rgb(self, name: str, x: Array, w: Array, condition: Array) -> Array:
        kernel = self.t[f"{name}.weight"] * self.style(name, w, condition)[None, :, None, None] / sqrt(len(x))
        return np.clip(correlated(x, kernel) + self.t[f"{name}.bias"][:, None, None], -CLAMP, CLAMP)

    def picture(self, condition: Array, styles: list[Array], maps: list[Array | None]) -> Array:
        """One picture of a w for each convolution and for the last picture."""
        x, at, picture, side = self.t["synthesis.b4.const"], 0, np.zeros((3, 2, 2)), 4
        while f"synthesis.b{side}.torgb.weight" in self.t:
            for name in ("conv0", "conv1")[side == 4 :]:
                x, at = self.layer(f"synthesis.b{side}.{name}", x, styles[at], condition, maps[at]), at + 1
            picture = filtered(padded(with_zeros(picture), 2, 1), gain=4)
            picture = picture + self.rgb(f"synthesis.b{side}.torgb", x, styles[at], condition)
            side *= 2
        return picture


class ReferenceDiscriminator(Reference):
    def convolution(self, name: str, x: Array, *, down: bool = False) -> Array:
        kernel = self.t[f"{name}.weight"] / sqrt(np.prod(self.t[f"{name}.weight"].shape[1:]))
        if not down:
            return correlated(x, kernel)
        size = kernel.shape[2]
        before = 2 if size == 3 else 1
        return each(filtered(padded(x, before, before)), kernel, correlate)[:, ::2, ::2]

    def active(self, name: str, x: Array, gain: float = 1.0, *, down: bool = False) -> Array:
        y = lrelu(self.convolution(name, x, down=down) + self.t[f"{name}.bias"][:, None, None]) * gain
        return np.clip(y, -CLAMP * gain, CLAMP * gain)

    def judged(self, pictures: Array) -> tuple[Array, Array]:
        """f_d (n,) and f_s (n, d) of n pictures; n is at most 4, or a multiple of it."""
        grids = []
        for x in pictures:
            side = x.shape[1]
            y = self.active(f"b{side}.fromrgb", x)
            while side > 4:
                inner = self.active(f"b{side}.conv0", y)
                inner = self.active(f"b{side}.conv1", inner, sqrt(0.5), down=True)
                y, side = inner + self.convolution(f"b{side}.skip", y, down=True) * sqrt(0.5), side // 2
            grids.append(y)
        groups = max(1, len(grids) // 4)
        found = []
        for row, grid in enumerate(grids):
            same = np.stack(grids[row % groups :: groups])
            spread = np.sqrt(same.var(axis=0) + 1e-8).mean()
            x = self.active("b4.conv", np.concatenate([grid, np.full((1, 4, 4), spread)]))
            found.append(lrelu(self.linear("b4.fc", x.reshape(-1))))
        return (
            np.concatenate([self.linear("b4.out", hidden) for hidden in found]),
            np.stack([self.linear("b4.fts", hidden) for hidden in found]),
        )
