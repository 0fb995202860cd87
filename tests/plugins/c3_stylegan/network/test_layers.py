"""The generator's and discriminator's layers against formulas written out, in float64."""

from __future__ import annotations

from math import sqrt
from typing import TypeVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from c3_stylegan.network.discriminator import Residual, with_batch_std
from c3_stylegan.network.filters import blur, downsample, upsample
from c3_stylegan.network.layers import (
    Convolution,
    Linear,
    ModulatedConvolution,
    Style,
    ToRGB,
    activate,
    demodulation,
    modulated_conv,
)

Module = TypeVar("Module", bound=nn.Module)
TAPS = np.array([1.0, 3.0, 3.0, 1.0])


def upfirdn(x: Tensor, kernel: np.ndarray, *, up: int = 1, down: int = 1, before: int = 0, after: int = 0) -> Tensor:
    """Put zeros between pixels, pad, filter and take every `down`-th pixel, one number at a time."""
    n, c, h, w = x.shape
    wide = np.zeros((n, c, h * up + before + after, w * up + before + after))
    wide[:, :, before : before + h * up : up, before : before + w * up : up] = x.detach().numpy()
    size = len(kernel)
    rows, columns = range(0, wide.shape[2] - size + 1, down), range(0, wide.shape[3] - size + 1, down)
    flipped = kernel[::-1, ::-1]
    out = [[(wide[:, :, r : r + size, q : q + size] * flipped).sum((2, 3)) for q in columns] for r in rows]
    return torch.from_numpy(np.array(out).transpose(2, 3, 0, 1))


def kernel(gain: float) -> np.ndarray:
    return np.outer(TAPS, TAPS) / 64 * gain


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


# ---- filters


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_blur_is_the_filter(h: int, w: int, padding: int) -> None:
    x = torch.randn(2, 3, h + 2, w + 2, dtype=torch.float64)
    torch.testing.assert_close(blur(x, padding, gain=4.0), upfirdn(x, kernel(4.0), before=padding, after=padding))


def test_upsample_is_zeros_between_pixels_and_the_filter() -> None:
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    expected = upfirdn(x, kernel(4.0), up=2, before=2, after=1)
    found = upsample(x)
    assert found.shape == expected.shape == (2, 3, 10, 12)
    torch.testing.assert_close(found[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])
    torch.testing.assert_close(upsample(torch.ones_like(x)), torch.ones_like(found))  # also at the edge


def test_downsample_is_the_filter_and_every_second_pixel() -> None:
    x = torch.randn(2, 3, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(downsample(x), upfirdn(x, kernel(1.0), down=2, before=1, after=1))


# ---- modulated convolution


def one_by_one(x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool, up: bool) -> Tensor:
    """The paper's equations 1 and 3 for each sample alone, with weights of its own."""
    out = []
    for sample, scales in zip(x, style, strict=True):
        own = weight * scales[None, :, None, None]
        if demodulate:
            own = own / own.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
        if up:
            wide = torch.zeros(1, len(sample), 2 * sample.shape[1] + 1, 2 * sample.shape[2] + 1, dtype=x.dtype)
            wide[:, :, 1::2, 1::2] = sample
            y = upfirdn(F.conv2d(F.pad(wide, (1, 1, 1, 1)), own), kernel(4.0), before=1, after=1)
        else:
            y = F.conv2d(sample[None], own, padding=weight.shape[2] // 2)
        out.append(y)
    return torch.cat(out)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
def test_modulated_conv_is_a_convolution_for_each_sample(up: bool, demodulate: bool) -> None:
    x, style = torch.randn(3, 4, 5, 5, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64)
    found = modulated_conv(x, weight, style, up=up)
    if demodulate:
        found = found * demodulation(weight, style)[:, :, None, None]
    expected = one_by_one(x, weight, style, demodulate=demodulate, up=up)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_demodulated_outputs_have_variance_one() -> None:
    x, style = torch.randn(4, 32, 64, 64, dtype=torch.float64), 0.1 + 9 * torch.rand(4, 32, dtype=torch.float64)
    weight = torch.randn(8, 32, 3, 3, dtype=torch.float64)
    y = modulated_conv(x, weight, style) * demodulation(weight, style)[:, :, None, None]
    deviation = y[:, :, 1:-1, 1:-1].std(dim=(2, 3))
    assert (deviation - 1).abs().max() < 0.1  # 3,844 pixels that are not independent
    assert modulated_conv(x, weight, style).std() > 10


def style_by_hand(style: Style, w: Tensor, code: Tensor) -> Tensor:
    """An affine map of w, joined with the code by two layers, the first of them with √2 · lrelu: all equalised."""
    of_w = w @ style.of_w.weight.t() / sqrt(w.shape[1]) + style.of_w.bias
    joined = torch.cat([of_w, code], dim=1)
    joined = joined @ style.join.weight.t() / sqrt(joined.shape[1]) + style.join.bias
    joined = sqrt(2) * torch.where(joined > 0, joined, 0.2 * joined)
    return joined @ style.out.weight.t() / sqrt(joined.shape[1]) + style.out.bias


def shaken(module: Module) -> Module:
    """In float64, with biases that are not what they are at the start."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter += torch.randn_like(parameter)
    return module.double()


def test_a_style_is_of_w_and_the_code() -> None:
    style = Style(style=5, code=7, channels=4)
    assert torch.equal(style.out.bias, torch.ones(4))  # at the start, channels stay about as large as they are
    style, w, code = shaken(style), torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 7, dtype=torch.float64)
    torch.testing.assert_close(style(w, code), style_by_hand(style, w, code))


def test_a_layer_is_the_convolution_with_noise_bias_and_activation() -> None:
    layer = shaken(ModulatedConvolution(4, 6, style=5, code=7))
    with torch.no_grad():
        layer.strength.fill_(0.7)
    x, w, code = (torch.randn(3, *shape, dtype=torch.float64) for shape in ((4, 5, 5), (5,), (7,)))
    noise = torch.randn(3, 1, 5, 5, dtype=torch.float64)
    y = (
        one_by_one(x, layer.weight, style_by_hand(layer.style, w, code), demodulate=True, up=False)
        + layer.bias[:, None, None]
    )
    # ε of the demodulation stands in for weights of no energy
    for given_noise, sum_of in ((None, y), (noise, y + 0.7 * noise)):
        expected = sqrt(2) * F.leaky_relu(sum_of, 0.2)
        torch.testing.assert_close(layer(x, w, code, given_noise), expected, rtol=1e-6, atol=1e-6)


def test_to_rgb_is_modulated_but_not_demodulated() -> None:
    layer = shaken(ToRGB(4, style=5, code=7))
    x, w, code = (torch.randn(3, *shape, dtype=torch.float64) for shape in ((4, 5, 5), (5,), (7,)))
    expected = one_by_one(x, layer.weight / 2, style_by_hand(layer.style, w, code), demodulate=False, up=False)
    torch.testing.assert_close(layer(x, w, code), expected + layer.bias[:, None, None])


# ---- equalised layers


def test_linear_scales_weights_when_they_are_used() -> None:
    layer = Linear(16, 3, bias=1.0, rate=0.1).double()
    x = torch.randn(5, 16, dtype=torch.float64)
    expected = x @ (layer.weight * 0.1 / 4).t() + 1
    torch.testing.assert_close(layer(x), expected)
    assert 5 < layer.weight.std() < 20  # drawn from N(0, 1) / rate: an Adam step moves what is used by a tenth


def test_linear_keeps_the_size_of_its_input() -> None:
    y = activate(Linear(512, 512)(torch.randn(256, 512)))
    assert float(y.detach().square().mean()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("size", [1, 3])
def test_convolution_down_is_the_filter_before_a_stride(size: int) -> None:
    layer = Convolution(3, 4, size, down=True, bias=False).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    before, after = (2, 2) if size == 3 else (1, 1)
    filtered = upfirdn(x, kernel(1.0), before=before, after=after)
    expected = F.conv2d(filtered, layer.weight * sqrt(2) / sqrt(3 * size * size), stride=2)
    assert expected.shape == (2, 4, 4, 4)
    torch.testing.assert_close(layer(x), expected)


def test_residual_is_the_mean_of_both_ways() -> None:
    block = Residual(3, 4).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    y = activate(F.conv2d(x, block.same.weight / sqrt(27), padding=1))
    y = F.conv2d(upfirdn(y, kernel(1.0), before=2, after=2), block.down.weight / sqrt(27), stride=2)
    skip = F.conv2d(upfirdn(x, kernel(1.0), down=2, before=1, after=1), block.skip.weight / sqrt(3))
    torch.testing.assert_close(block(x), (activate(y) + skip) / sqrt(2))


# ---- minibatch standard deviation


@pytest.mark.parametrize(("n", "group"), [(8, 4), (6, 3), (4, 4), (5, 5), (2, 2), (1, 1)])
def test_batch_std_is_that_of_each_group(n: int, group: int) -> None:
    x = torch.randn(n, 3, 2, 2)
    found = with_batch_std(x)
    assert torch.equal(found[:, :3], x)
    for row in range(n):
        members = x[row % (n // group) :: n // group]
        assert len(members) == group
        expected = members.numpy().std(axis=0).mean()
        torch.testing.assert_close(found[row, 3], torch.full((2, 2), float(expected)), rtol=1e-4, atol=2e-4)
