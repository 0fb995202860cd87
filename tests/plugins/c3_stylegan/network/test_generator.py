"""The whole generator: sizes, what an output depends on, truncation, z and noise."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from c3_stylegan.network.discriminator import Discriminator, judge
from c3_stylegan.network.generator import Code, Generator, Mapping
from c3_stylegan.settings import Settings

SMALL = {"channels": 256, "max_channels": 12, "style_dim": 16, "mapping_layers": 2}


def make(**more: object) -> Generator:
    torch.manual_seed(0)
    return Generator(8, Settings(**{**SMALL, **more})).eval()


@pytest.mark.parametrize("rows", [None, 4])
@pytest.mark.parametrize("resolution", [32, 64, 128, 256])
def test_sizes(resolution: int, rows: int | None) -> None:
    generator = make(resolution=resolution, rows=rows, channels=512)
    noise = [torch.randn(2, 1, side, side) for side in generator.noise_sides()]
    assert generator(torch.randn(2, 8), torch.randn(2, 16), noise=noise).shape == (2, 3, resolution, resolution)
    assert generator.noise_sides()[-1] == resolution


@pytest.mark.parametrize("rows", [None, 4])
def test_a_row_does_not_depend_on_its_batch(rows: int | None) -> None:
    generator = make(rows=rows).double()
    conditions, z = torch.randn(5, 8).double(), torch.randn(5, 16).double()
    together = generator(conditions, z)
    alone = torch.cat([generator(conditions[k : k + 1], z[k : k + 1]) for k in range(5)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("rows", [None, 4])
def test_pictures_depend_on_condition_z_and_noise(rows: int | None) -> None:
    generator = make(rows=rows)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("strength"):
                parameter.fill_(0.5)
    conditions, z = torch.randn(1, 8), torch.randn(1, 16)
    noise = [torch.randn(1, 1, side, side) for side in generator.noise_sides()]
    first = generator(conditions, z)
    for other in (generator(-conditions, z), generator(conditions, -z), generator(conditions, z, noise=noise)):
        assert (first - other).abs().max() > 1e-3


def test_all_layers_have_the_style_of_z() -> None:
    generator = make()
    conditions, z = torch.randn(2, 8), torch.randn(2, 16)
    expected = generator.draw(conditions, [generator.mapping(z)] * 8)  # seven convolutions, and the last picture
    assert torch.equal(generator(conditions, z), expected)


def test_truncation_moves_w_to_its_mean() -> None:
    generator = make()
    generator.train()
    for _ in range(200):
        generator.mapping(torch.randn(64, 16))
    generator.eval()
    mean = generator.mapping.mean
    many = generator.mapping(torch.randn(20_000, 16)).mean(dim=0)
    # the running mean has seen 1 − 0.995²⁰⁰ ≈ 63 % of its way from zero
    torch.testing.assert_close(mean, (1 - 0.995**200) * many, rtol=0.1, atol=0.03)
    conditions, z = torch.randn(3, 8), torch.randn(3, 16)
    w = generator.mapping(z)
    for psi in (0.0, 0.4, 1.0):
        expected = generator.draw(conditions, generator.styles(mean + psi * (w - mean)))
        torch.testing.assert_close(generator(conditions, z, truncation=psi), expected)
    torch.testing.assert_close(generator(conditions, z, truncation=0.0), generator(conditions, -z, truncation=0.0))


def test_the_size_of_a_condition_is_told_apart() -> None:
    """Bridges without rescaling tell by the norm how sure a condition is."""
    generator = make(rows=4)
    conditions, z = torch.randn(1, 8), torch.randn(1, 16)
    assert (generator(conditions, z) - generator(conditions / 2, z)).abs().max() > 1e-3
    assert torch.isfinite(generator(torch.zeros(1, 8), z)).all()


# ---- against formulas written out, in float64


def lrelu2(x: Tensor) -> Tensor:
    return sqrt(2) * torch.where(x > 0, x, 0.2 * x)


def test_the_mapping_is_layers_at_a_hundredth_of_the_learning_rate() -> None:
    torch.manual_seed(0)
    mapping, z = Mapping(6, 3).double().eval(), torch.randn(4, 6, dtype=torch.float64)
    w = z / z.square().mean(dim=1, keepdim=True).sqrt()
    for layer in mapping.layers:
        with torch.no_grad():
            layer.bias.normal_(std=50)
        w = lrelu2(w @ (layer.weight * 0.01 / sqrt(6)).t() + layer.bias * 0.01)
    torch.testing.assert_close(mapping(z), w, rtol=1e-6, atol=1e-6)  # ε of the normalisation
    assert 50 < mapping.layers[0].weight.std() < 200  # drawn from N(0, 1) and divided by the rate


def test_the_code_is_three_layers_of_the_condition_brought_to_ones() -> None:
    torch.manual_seed(0)
    code, conditions = Code(5, 3).double(), F.normalize(torch.randn(4, 5, dtype=torch.float64), dim=1)
    expected, sizes = conditions * sqrt(5), []
    for layer in code.layers:
        with torch.no_grad():
            layer.bias.normal_()
        expected = lrelu2(expected @ (layer.weight / sqrt(expected.shape[1])).t() + layer.bias)
        sizes.append(expected.shape[1])
    assert sizes == [12, 12, 3]
    torch.testing.assert_close(code(conditions), expected)


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("rows", [None, 4])
def test_the_picture_is_the_sum_of_what_each_resolution_draws(rows: int | None, resolution: int) -> None:
    """Each resolution's picture is brought to the full size by itself: doubling is linear, so that the order does not matter.

    Each layer has its own w, and a resolution's picture that of the convolution after it.
    """
    generator = make(rows=rows, resolution=resolution).double()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("strength"):
                parameter.normal_()
    conditions = torch.randn(2, 8).double()
    noise = [torch.randn(2, 1, side, side).double() for side in generator.noise_sides()]
    w = [generator.mapping(torch.randn(2, 16).double()) for _ in range(len(noise) + 1)]
    code = generator.code(conditions)
    expected, sketch = torch.zeros(2, 3, resolution, resolution).double(), None
    if generator.sketch is None:
        x = generator.start.expand(2, -1, -1, -1)
    else:
        x, sketch = generator.sketch(conditions, w[0])
    x = generator.first(x, w[0], code, noise[0])
    drawn = [generator.rgb(x, w[1], code)]
    for number, block in enumerate(generator.blocks):
        if sketch is not None and x.shape[2] == 16:
            x = torch.cat([x, sketch], dim=1)
            drawn.append(F.pixel_shuffle(sketch, 2))
        x = block.up(x, w[2 * number + 1], code, noise[2 * number + 1])
        x = block.same(x, w[2 * number + 2], code, noise[2 * number + 2])
        drawn.append(block.rgb(x, w[2 * number + 3], code))
    sides = [side for side in (4, 8, 16, 32, 64) if side <= resolution]
    assert sorted(picture.shape[2] for picture in drawn) == sorted(sides if rows is None else [*sides[1:], 32])
    for picture in drawn:
        while picture.shape[2] < resolution:
            picture = F.interpolate(picture, scale_factor=2, mode="bilinear")
        expected = expected + picture
    torch.testing.assert_close(generator.draw(conditions, w, noise=noise), expected, rtol=1e-6, atol=1e-6)


def test_the_judgement_is_how_real_plus_how_matching() -> None:
    """D(x, c) = f_d + ⟨c, f_s⟩ for each picture, both heads equalised layers of the same hidden units."""
    torch.manual_seed(0)
    discriminator = Discriminator(5, Settings(**SMALL)).double()
    pictures, conditions = torch.rand(4, 3, 32, 32).double() * 2 - 1, torch.randn(4, 5).double()
    with torch.no_grad():
        discriminator.real.bias.normal_()
        discriminator.matching.bias.normal_()
        rgb = discriminator.rgb
        x = F.conv2d(pictures, rgb.weight / sqrt(3), rgb.bias)
        x = discriminator.blocks(lrelu2(x))
        spread = x.float().std(dim=0, correction=0).mean().double()  # of a batch of four, the one group
        x = torch.cat([x, spread.expand(4, 1, 4, 4)], dim=1)
        x = lrelu2(F.conv2d(x, discriminator.last.weight / sqrt(13 * 9), discriminator.last.bias, padding=1)).flatten(1)
        hidden = lrelu2(x @ discriminator.hidden.weight.t() / sqrt(12 * 16) + discriminator.hidden.bias)
        found = judge(*discriminator(pictures), conditions)
        real, matching = discriminator.real, discriminator.matching
        for row, units in enumerate(hidden):
            how_real = units @ real.weight[0] / sqrt(24) + real.bias[0]
            expected = how_real + sum(
                conditions[row, k] * (units @ matching.weight[k] / sqrt(24) + matching.bias[k]) for k in range(5)
            )
            torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-4)  # the heads give float32
