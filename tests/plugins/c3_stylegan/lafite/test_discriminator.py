"""LAFITE's discriminator against NumPy code that goes sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from c3_stylegan.lafite.discriminator import Discriminator, judge
from c3_stylegan.lafite.shape import Shape
from tests.helpers.lafite import ReferenceDiscriminator, lafite_tensors

SHAPE = Shape(widths=(6, 5, 4), z=7, style=6, condition=8, hidden=5, code=9, mapping_layers=2)


def network(tensors: dict[str, Tensor]) -> Discriminator:
    discriminator = Discriminator(SHAPE)
    own = {name.removeprefix("D."): value for name, value in tensors.items() if name.startswith("D.")}
    discriminator.load_state_dict({name: value for name, value in own.items() if not name.endswith("resample_filter")})
    return discriminator.double()


@pytest.mark.parametrize("n", [1, 4, 8])
@pytest.mark.parametrize("scale", [1, 400])
def test_logits_and_features(n: int, scale: float) -> None:
    """With large biases the layers are clamped. Two groups of four have a spread of their own each."""
    tensors = lafite_tensors()
    tensors |= {f"D.{name}": scale * tensors[f"D.{name}"] for name in ("b16.conv0.bias", "b8.conv1.bias")}
    pictures = torch.randn(n, 3, 16, 16, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    real, features = ReferenceDiscriminator(tensors, "D").judged(pictures.numpy())
    for found, expected in zip(network(tensors)(pictures), (real, features), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_the_match_of_all_rows_is_in_every_logit() -> None:
    torch.manual_seed(0)
    real, features, conditions = torch.randn(3), torch.randn(3, 5), torch.randn(3, 5)
    match = sum(float(features[row] @ conditions[row]) for row in range(3))
    torch.testing.assert_close(judge(real, features, conditions), real + match)


def test_the_published_size() -> None:
    widths = tuple(min(32768 // side, 512) for side in (4, 8, 16, 32, 64, 128, 256))
    with torch.device("meta"):
        network = Discriminator(Shape(widths, z=512, style=512, condition=512, hidden=512, code=512, mapping_layers=8))
    assert sum(parameter.numel() for parameter in network.parameters()) == 29_126_785
