"""The whole generator: sizes, what an output depends on, truncation, z and noise."""

from __future__ import annotations

import pytest
import torch

from c3_stylegan.generator import Generator
from c3_stylegan.settings import Settings

SMALL = {"channels": 256, "max_channels": 12, "style_dim": 16, "mapping_layers": 2}


def make(**more: object) -> Generator:
    torch.manual_seed(0)
    return Generator(8, Settings(**{**SMALL, **more})).eval()


@pytest.mark.parametrize("start", ["constant", "condition"])
@pytest.mark.parametrize("resolution", [32, 64, 128, 256])
def test_sizes(resolution: int, start: str) -> None:
    generator = make(resolution=resolution, start=start, channels=512)
    noise = [torch.randn(2, 1, side, side) for side in generator.noise_sides()]
    assert generator(torch.randn(2, 8), torch.randn(2, 16), noise=noise).shape == (2, 3, resolution, resolution)
    assert generator.noise_sides()[-1] == resolution


@pytest.mark.parametrize("start", ["constant", "condition"])
def test_a_row_does_not_depend_on_its_batch(start: str) -> None:
    generator = make(start=start).double()
    conditions, z = torch.randn(5, 8).double(), torch.randn(5, 16).double()
    together = generator(conditions, z)
    alone = torch.cat([generator(conditions[k : k + 1], z[k : k + 1]) for k in range(5)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("start", ["constant", "condition"])
def test_pictures_depend_on_condition_z_and_noise(start: str) -> None:
    generator = make(start=start)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("strength"):
                parameter.fill_(0.5)
    conditions, z = torch.randn(1, 8), torch.randn(1, 16)
    noise = [torch.randn(1, 1, side, side) for side in generator.noise_sides()]
    first = generator(conditions, z)
    for other in (generator(-conditions, z), generator(conditions, -z), generator(conditions, z, noise=noise)):
        assert (first - other).abs().max() > 1e-3


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
        expected = generator.draw(conditions, mean + psi * (w - mean))
        torch.testing.assert_close(generator(conditions, z, truncation=psi), expected)
    torch.testing.assert_close(generator(conditions, z, truncation=0.0), generator(conditions, -z, truncation=0.0))


def test_the_size_of_a_condition_is_told_apart() -> None:
    """Bridges without rescaling tell by the norm how sure a condition is."""
    generator = make(start="condition")
    conditions, z = torch.randn(1, 8), torch.randn(1, 16)
    assert (generator(conditions, z) - generator(conditions / 2, z)).abs().max() > 1e-3
    assert torch.isfinite(generator(torch.zeros(1, 8), z)).all()
