"""The contract of a tower for `c3 connect`, as a pytest suite. A plugin's test file subclasses it:

    from c3core import load_tower
    from c3core.testing import TowerContract

    class TestMyTower(TowerContract):
        def make(self):
            return load_tower("mine", width=16)

        def sources(self):
            return ["a.npy", "b.npy", "c.npy"]

        def bad_source(self):
            return "no-such-file.npy"

Make it with options other than the defaults: then the suite sees one that is not saved.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from c3core.contracts import Reader, Tower
from c3core.testing.readers import ReaderContract, snapshot


class TowerContract(ReaderContract):
    """What every tower must do. Class attributes declare what the suite cannot know."""

    tolerance: ClassVar[float] = 1e-4  # of features in a batch and alone, as a share of the largest feature
    differentiable: ClassVar[bool] = False  # whether `from_raw` gives a batch that lets gradients through

    @abstractmethod
    def make(self) -> Tower:
        """Return a new tower, not prepared."""

    def raw(self) -> Tensor:
        """Return plain tensors for `from_raw`: by default three images (n, 3, h, w) in [0, 1]."""
        return torch.rand(3, 3, 40, 48, generator=torch.Generator().manual_seed(0))

    # ---- parts of the tests

    @pytest.fixture
    def reader(self, tower: Tower) -> Reader:
        return tower.reader()

    @pytest.fixture(scope="class")
    @classmethod
    def tower(cls) -> Tower:
        """Shared by the tests of one class, none of which changes it."""
        return cls().prepared().eval()

    def prepared(self) -> Tower:
        """Make a tower as `c3 connect` does: seed torch, build it, and show it the training items unless frozen."""
        torch.manual_seed(0)
        tower = self.make()
        if not tower.frozen:
            tower.prepare(iter(self.items(tower.reader())))
        return tower

    def rebuilt(self, tower: Tower) -> Tower:
        """Build the tower again from its config."""
        config = json.loads(json.dumps(tower.config()))
        again: Tower = type(tower)(**config)
        assert again.config() == config == tower.config()
        return again.eval()

    def features(self, tower: Tower, items: Sequence[Any] | None = None) -> Tensor:
        with torch.no_grad():
            features: Tensor = tower(tower.collate(self.items(tower.reader()) if items is None else items))
        return features

    def assert_close(self, actual: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(actual, expected, rtol=0, atol=self.tolerance * float(expected.abs().max()))

    # ---- features

    def test_declares_modality_width_and_license(self, tower: Tower) -> None:
        for declared in (tower.modality, tower.license, tower.identity()):
            assert isinstance(declared, str)
            assert declared.strip()
        assert isinstance(tower.width, int)
        assert isinstance(tower.frozen, bool)

    def test_features_are_one_finite_row_per_item(self, tower: Tower) -> None:
        features = self.features(tower)
        assert features.shape == (len(self.sources()), tower.width)
        assert features.is_floating_point()
        assert torch.isfinite(features).all()

    def test_different_sources_get_different_features(self, tower: Tower) -> None:
        features = self.features(tower)  # else the tests of order and batches prove nothing
        apart = torch.pdist(features).min()
        assert apart > 10 * self.tolerance * features.abs().max(), "two of sources() have the same features"

    def test_a_batch_equals_its_items_one_by_one(self, tower: Tower) -> None:
        items = self.items(tower.reader())
        self.assert_close(torch.cat([self.features(tower, [item]) for item in items]), self.features(tower, items))

    def test_the_same_items_give_the_same_features(self, tower: Tower) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            first = self.features(tower)
            torch.manual_seed(2)
            assert torch.equal(self.features(tower), first), "it draws random numbers in eval mode"

    def test_items_are_not_changed(self, tower: Tower) -> None:
        items = self.items(tower.reader())
        before = snapshot(items)
        tower(tower.augment(tower.collate(items), torch.Generator().manual_seed(0)))
        assert snapshot(items) == before, "it changed its items in place"

    def test_a_batch_is_made_of_tensors_on_the_cpu(self, tower: Tower) -> None:
        tensors = tensors_in(tower.collate(self.items(tower.reader())))
        assert tensors, "`c3 connect` moves a tensor, or a mapping or tuple of tensors, to the device"
        assert {tensor.device.type for tensor in tensors} == {"cpu"}
        assert not any(tensor.requires_grad for tensor in tensors)

    # ---- training

    def test_new_weights_depend_only_on_the_seed(self) -> None:
        first, second = (self.prepared().state_dict() for _ in range(2))
        assert first.keys() == second.keys()
        other = [name for name, value in first.items() if not torch.equal(value, second[name])]
        assert other == [], "draw new weights from torch's global generator"

    def test_a_tower_that_trains_gets_a_gradient(self) -> None:
        tower = self.prepared().train()
        if tower.frozen:
            pytest.skip("this tower is frozen")
        features = tower(tower.collate(self.items(tower.reader())))
        (features * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
        gradients = [parameter.grad for parameter in tower.parameters() if parameter.grad is not None]
        assert any(gradient.abs().sum() > 0 for gradient in gradients)
        assert all(torch.isfinite(gradient).all() for gradient in gradients)

    def test_augmenting_draws_only_from_the_generator(self, tower: Tower) -> None:
        batch, state = tower.collate(self.items(tower.reader())), torch.get_rng_state()
        before = snapshot(batch)
        first, second = (tower.augment(batch, torch.Generator().manual_seed(3)) for _ in range(2))
        assert snapshot(first) == snapshot(second)
        assert torch.equal(torch.get_rng_state(), state), "it drew from torch's global generator"
        assert snapshot(batch) == before, "it changed the batch in place"
        with torch.no_grad():
            assert tower(first).shape == (len(self.sources()), tower.width)

    def test_raw_tensors_get_a_gradient(self, tower: Tower) -> None:
        if not self.differentiable:
            pytest.skip("not declared: differentiable = True")
        raw = self.raw().requires_grad_()
        features = tower(tower.from_raw(raw))
        assert features.shape == (len(raw), tower.width)
        (gradient,) = torch.autograd.grad(features.square().sum(), raw)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0

    # ---- saving

    def test_its_config_builds_it_again(self, tower: Tower) -> None:
        again = self.rebuilt(tower)
        for attribute in ("modality", "width", "frozen", "license"):
            assert getattr(again, attribute) == getattr(tower, attribute), attribute
        assert again.identity() == tower.identity()

    def test_loaded_it_gives_the_features_of_the_saved_one(self, tower: Tower, tmp_path: Path) -> None:
        """A frozen tower is not saved: its config must be enough."""
        again = self.rebuilt(tower)
        if not tower.frozen:
            save_file({name: value.contiguous() for name, value in tower.state_dict().items()}, tmp_path / "tower")
            again.load_state_dict(load_file(tmp_path / "tower"))
        self.assert_close(self.features(again), self.features(tower))


def tensors_in(batch: Any) -> list[Tensor]:
    """Return the tensors of a batch: the batch itself, or those of a mapping or sequence."""
    if isinstance(batch, Tensor):
        return [batch]
    parts = list(batch.values()) if isinstance(batch, Mapping) else batch
    return [tensor for part in parts for tensor in tensors_in(part)] if isinstance(parts, list | tuple) else []
