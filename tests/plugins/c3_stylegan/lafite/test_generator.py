"""LAFITE's generator against NumPy code that goes sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from c3_stylegan.lafite.generator import Generator
from c3_stylegan.lafite.shape import Shape, shape_of
from tests.helpers.lafite import Array, ReferenceGenerator, lafite_tensors

SHAPE = Shape(widths=(6, 5, 4), z=7, style=6, condition=8, hidden=5, code=9, mapping_layers=2)
SIDES = [4, 8, 8, 16, 16]


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    return lafite_tensors()


def network(tensors: dict[str, Tensor]) -> Generator:
    generator = Generator(SHAPE)
    own = {name.removeprefix("G."): value for name, value in tensors.items() if name.startswith("G.")}
    generator.load_state_dict({name: value for name, value in own.items() if not name.endswith("resample_filter")})
    return generator.double().eval()


def inputs(n: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    torch.manual_seed(1)
    maps = [torch.randn(n, 1, side, side) for side in SIDES]
    return torch.randn(n, 8).double(), torch.randn(n, 7).double(), [noise.double() for noise in maps]


def assert_near(found: Tensor, expected: Array) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("noisy", [False, True])
def test_pictures(tensors: dict[str, Tensor], noisy: bool) -> None:
    reference, generator = ReferenceGenerator(tensors, "G"), network(tensors)
    conditions, z, maps = inputs(3)
    expected = []
    for row in range(3):
        w, own = reference.w(z[row].numpy()), [noise[row, 0].numpy() if noisy else None for noise in maps]
        expected.append(reference.picture(conditions[row].numpy(), [w] * 6, [*own, None]))
    assert_near(generator(conditions, z, noise=maps if noisy else None), np.stack(expected))
    assert generator.noise_sides() == SIDES


def test_each_layer_has_its_own_w(tensors: dict[str, Tensor]) -> None:
    conditions, _, _ = inputs(1)
    styles = torch.randn(6, 1, 6).double()
    maps = [tensors[f"G.synthesis.{name}.noise_const"].double() for name in ("b4.conv1", "b8.conv0", "b8.conv1")]
    maps += [tensors[f"G.synthesis.{name}.noise_const"].double() for name in ("b16.conv0", "b16.conv1")]
    expected = ReferenceGenerator(tensors, "G").picture(
        conditions[0].numpy(), [w[0].numpy() for w in styles], [noise.numpy() for noise in maps] + [None]
    )
    generator = network(tensors)
    assert_near(generator.draw(conditions, list(styles), noise=generator.fixed_maps())[0], expected)


def test_layers_are_clamped(tensors: dict[str, Tensor]) -> None:
    large = tensors | {
        name: 400 * value for name, value in tensors.items() if name.endswith(("conv1.bias", "rgb.bias"))
    }
    conditions, z, maps = inputs(1)
    reference = ReferenceGenerator(large, "G")
    w = reference.w(z[0].numpy())
    expected = reference.picture(conditions[0].numpy(), [w] * 6, [noise[0, 0].numpy() for noise in maps] + [None])
    x = reference.layer("synthesis.b4.conv1", reference.t["synthesis.b4.const"], w, conditions[0].numpy(), None)
    assert (np.abs(x) == 256).any()
    assert_near(network(large)(conditions, z, noise=maps)[0], expected)


def test_truncation_moves_w_to_its_mean(tensors: dict[str, Tensor]) -> None:
    conditions, z, _ = inputs(2)
    reference, generator = ReferenceGenerator(tensors, "G"), network(tensors)
    mean = reference.t["mapping.w_avg"]
    ws = [mean + 0.3 * (reference.w(row.numpy()) - mean) for row in z]
    expected = [reference.picture(conditions[k].numpy(), [ws[k]] * 6, [None] * 6) for k in range(2)]
    assert_near(generator(conditions, z, truncation=0.3), np.stack(expected))


def test_training_moves_the_mean_of_w(tensors: dict[str, Tensor]) -> None:
    reference, generator = ReferenceGenerator(tensors, "G"), network(tensors).train()
    _, z, _ = inputs(3)
    mean = np.mean([reference.w(row.numpy()) for row in z], axis=0)
    generator.mapping(z)
    generator.mapping(z, moves_mean=False)
    assert_near(generator.mapping.mean, 0.995 * reference.t["mapping.w_avg"] + 0.005 * mean)


def test_the_published_size() -> None:
    """Channels, layers and numbers of LAFITE's train.py at 256 pixels."""
    widths = tuple(min(32768 // side, 512) for side in (4, 8, 16, 32, 64, 128, 256))
    shape = Shape(widths=widths, z=512, style=512, condition=512, hidden=512, code=512, mapping_layers=8)
    with torch.device("meta"):
        generator = Generator(shape)
    assert sum(parameter.numel() for parameter in generator.parameters()) == 44_997_026
    assert shape_of({name: tuple(value.shape) for name, value in generator.state_dict().items()}) == shape
