"""What the base class of towers does if a plugin does not override it."""

from __future__ import annotations

import pytest
import torch

from c3core import C3Error, Tower
from tests.helpers.towers import VectorReader


class Plain(Tower):
    modality, width = "vector", 3

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def reader(self):
        return VectorReader()

    def collate(self, items):
        return torch.stack(items)

    def forward(self, batch):
        return batch * self.scale

    def config(self):
        return {"scale": self.scale}


def test_a_tower_trains_and_is_prepared_and_augmented_by_nothing() -> None:
    tower, batch = Plain(), torch.ones(2, 3)
    assert not tower.frozen
    tower.prepare(iter([]))
    assert tower.augment(batch, torch.Generator()) is batch


def test_a_tower_gives_no_gradient_to_raw_tensors() -> None:
    with pytest.raises(C3Error):
        Plain().from_raw(torch.zeros(1, 3, 8, 8))


def test_an_identity_changes_with_class_and_config() -> None:
    class Other(Plain):
        pass

    assert Plain().identity() == Plain().identity()
    assert len({Plain().identity(), Plain(2.0).identity(), Other().identity()}) == 3


def test_a_tower_cannot_be_made_without_its_methods() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Tower()  # type: ignore[abstract]
