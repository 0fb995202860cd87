"""Losses against formulas written out, and penalties against finite differences or a linear model."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from c3_stylegan import losses
from c3_stylegan.network.discriminator import Discriminator, judge
from c3_stylegan.network.generator import Generator
from c3_stylegan.settings import Settings

SMALL = Settings(channels=256, max_channels=8, style_dim=8)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_the_players_losses_are_log_likelihoods() -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    expected = (
        -sum(math.log(sigmoid(x)) for x in real.tolist()) / 2 - sum(math.log(1 - sigmoid(x)) for x in fake.tolist()) / 2
    )
    assert float(losses.discriminator_loss(real, fake)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.generator_loss(fake)) == pytest.approx(
        -sum(math.log(sigmoid(x)) for x in fake.tolist()) / 2, rel=1e-5
    )


def test_matching_loss_is_minus_the_log_share_of_the_own_condition() -> None:
    features, conditions, temperature = torch.randn(4, 6), torch.randn(4, 6), 0.3
    total = 0.0
    for i in range(4):
        scores = [
            math.exp(float(F.cosine_similarity(features[i], conditions[j], dim=0)) / temperature) for j in range(4)
        ]
        total -= math.log(scores[i] / sum(scores)) / 4
    assert float(losses.matching_loss(features, conditions, temperature)) == pytest.approx(total, rel=1e-5)
    assert float(losses.matching_loss(5 * features, 0.1 * conditions, temperature)) == pytest.approx(total, rel=1e-5)


def test_r1_of_a_linear_discriminator_is_the_norm_of_its_weights() -> None:
    weight = torch.randn(3, 4, 4, dtype=torch.float64, requires_grad=True)
    pictures = torch.randn(5, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    penalty = losses.r1_penalty(pictures, (pictures * weight).sum(dim=(1, 2, 3)))
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


def test_r1_of_the_discriminator_is_the_square_of_its_slopes() -> None:
    """Against central differences: the slope of D along its gradient is the gradient's norm, and along any direction at most that."""
    discriminator = Discriminator(4, SMALL).double()
    pictures, conditions = torch.rand(2, 3, 32, 32, dtype=torch.float64) * 2 - 1, torch.randn(2, 4, dtype=torch.float64)

    def logits(x: Tensor) -> Tensor:
        return judge(*discriminator(x), conditions).double()

    leaf = pictures.clone().requires_grad_()
    penalty = losses.r1_penalty(leaf, logits(leaf)).item()
    (gradient,) = torch.autograd.grad(logits(leaf).sum(), leaf)

    def slope(direction: Tensor, step: float = 1e-3) -> float:
        direction = direction / direction.norm()
        with torch.no_grad():
            return float((logits(pictures + step * direction) - logits(pictures - step * direction)).sum()) / (2 * step)

    assert slope(gradient) ** 2 / 2 == pytest.approx(penalty, rel=1e-2)  # the mean of two pictures
    for _ in range(5):
        direction = torch.randn_like(pictures)
        expected = float((gradient * direction).sum() / direction.norm())
        assert slope(direction) == pytest.approx(expected, abs=0.02 * penalty**0.5)


def test_path_lengths_of_a_linear_map_are_those_of_its_transpose() -> None:
    matrix = torch.randn(3 * 4 * 4, 2 * 5, dtype=torch.float64)
    styles = torch.randn(6, 2, 5, dtype=torch.float64, requires_grad=True)
    directions = torch.randn(6, 3, 4, 4, dtype=torch.float64)
    found = losses.path_lengths((styles.flatten(1) @ matrix.t()).view(6, 3, 4, 4), styles, directions)
    expected = (directions.flatten(1) / 4 @ matrix).norm(dim=1) / math.sqrt(2)  # of two layers
    torch.testing.assert_close(found, expected)


def test_path_lengths_of_a_generator_are_the_slopes_along_each_entry_of_each_style() -> None:
    """Against central differences, small beside the kinks: (Jᵀ y)ₖ is the slope of ⟨picture, y⟩ along entry k; the root of the mean over layers."""
    generator = Generator(4, Settings(channels=256, max_channels=8, style_dim=3, mapping_layers=1)).double()
    conditions, step = torch.randn(2, 4, dtype=torch.float64), 1e-8
    styles = torch.randn(2, 8, 3, dtype=torch.float64)
    directions = torch.randn(2, 3, 32, 32, dtype=torch.float64)

    def drawn(styles: Tensor) -> Tensor:
        return generator.draw(conditions, styles.unbind(1))

    squares = torch.zeros(2, 8, dtype=torch.float64)
    with torch.no_grad():
        for layer in range(8):
            for entry in range(3):
                move = torch.zeros_like(styles)
                move[:, layer, entry] = step
                slope = (drawn(styles + move) - drawn(styles - move)) / (2 * step)
                squares[:, layer] += ((slope * directions).sum(dim=(1, 2, 3)) / 32) ** 2
    found = losses.path_lengths(drawn(styles.requires_grad_()), styles, directions)
    torch.testing.assert_close(found, squares.mean(dim=1).sqrt(), rtol=1e-5, atol=0)


def test_distances_are_mean_squares_at_three_resolutions() -> None:
    x, y = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    expected = torch.zeros(2)
    for size in (1, 2, 4):
        cells = (x - y).view(2, 3, 8 // size, size, 8 // size, size).mean(dim=(3, 5))
        expected += cells.square().mean(dim=(1, 2, 3)) / 3
    torch.testing.assert_close(losses.distances(x, y), expected)
    assert not losses.distances(x, x).any()
