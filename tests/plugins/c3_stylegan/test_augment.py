"""Augmentation: each change is what it says, has a gradient, and is drawn from torch's global generator."""

from __future__ import annotations

import pytest
import torch

from c3_stylegan import augment as augmenting
from c3_stylegan.augment import CHANGES, augment


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", CHANGES)
def test_it_follows_the_seed_and_has_a_gradient(name: str) -> None:
    pictures = torch.rand(8, 3, 32, 32, requires_grad=True)
    torch.manual_seed(5)
    first = augment(pictures, [name])
    torch.manual_seed(5)
    assert torch.equal(first, augment(pictures, [name]))
    assert not torch.equal(first, augment(pictures, [name]))
    assert first.shape == pictures.shape
    first.sum().backward()
    assert (pictures.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_without_names_nothing_changes() -> None:
    pictures = torch.rand(2, 3, 8, 8)
    assert augment(pictures, ()) is pictures


def test_color_keeps_what_is_where() -> None:
    """Each picture becomes a · x + b: its pixels stay in order."""
    pictures = torch.rand(6, 3, 32, 32) * 2 - 1
    for before, after in zip(pictures, augment(pictures, ["color"]), strict=True):
        correlation = torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1]
        assert correlation == pytest.approx(1.0, abs=1e-4)
        assert (after.mean() - before.mean()).abs() <= augmenting.BRIGHTNESS + 1e-5
        assert 1 - augmenting.CONTRAST - 1e-4 <= after.std() / before.std() <= 1 + augmenting.CONTRAST + 1e-4


def test_translation_shifts_by_at_most_a_sixteenth() -> None:
    pictures = torch.rand(40, 3, 32, 32)
    seen = set()
    for before, after in zip(pictures, augment(pictures, ["translation"]), strict=True):
        found = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.equal(after[:, 2:-2, 2:-2], before[:, 2 + dy : 30 + dy, 2 + dx : 30 + dx])
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 10
    ramp = torch.linspace(-1, 1, 32).expand(20, 3, 32, 32)
    for pictures in (ramp, ramp.transpose(2, 3)):
        steps = torch.diff(augment(pictures, ["translation"]), dim=3 if pictures is ramp else 2)
        assert steps.min() >= 0  # the edge's own value goes on; nothing comes in from the other side


def test_cutout_takes_a_square_away() -> None:
    taken = (augment(torch.ones(200, 3, 32, 32), ["cutout"]) == 0).sum(dim=(1, 2, 3)) // 3
    assert taken.max() == 64
    assert taken.min() < 64  # partly outside
    assert 40 < taken.float().mean() < 64
