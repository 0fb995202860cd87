"""The contract of a bridge, as a pytest suite. A plugin's test file subclasses it:

    from c3core import load_bridge
    from c3core.testing import BridgeContract

    class TestMyBridge(BridgeContract):
        def make(self):
            return load_bridge("mine", noise_std=0.3)

Make it with options other than the defaults: then the suite sees one that is not saved.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from c3core.contracts import Bridge
from c3core.errors import C3Error
from c3core.statistics.moments import Moments
from c3core.store.store import Store


def close(actual: Tensor, expected: Tensor) -> None:
    """Assert that tensors are equal up to the order of float32 sums."""
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


class BridgeContract(ABC):
    """What every bridge must do. Class attributes declare what the suite cannot know."""

    modalities: ClassVar[tuple[str, ...]] = ("text", "image", "audio")  # two to fit on, and one to extend with
    target: ClassVar[str] = "text"
    dim: ClassVar[int] = 12
    any_modality: ClassVar[bool] = False  # whether it takes embeddings of a modality that it was not fitted on
    extending_changes_noise: ClassVar[bool] = False  # whether `extend` changes the training conditions of the others
    noisy: ClassVar[bool] = True  # whether training conditions are random; else they equal those for use

    @abstractmethod
    def make(self) -> Bridge:
        """Return a bridge, not fitted yet."""

    def embeddings(self, modality: str, count: int = 40) -> Tensor:
        """Return unit embeddings (count, dim), with a mean of the modality's own."""
        generator = torch.Generator().manual_seed(crc32(modality.encode()))
        center = 2 * normalize(torch.randn(self.dim, generator=generator), dim=-1)
        return normalize(center + torch.randn(count, self.dim, generator=generator) / self.dim**0.5, dim=-1)

    def fitted(self) -> Bridge:
        """Return the bridge, fitted on the first two modalities."""
        return self.make().fit({m: self.embeddings(m) for m in self.modalities[:2]}, target=self.target)

    @pytest.fixture
    def bridge(self) -> Bridge:
        return self.fitted()

    def each(self, bridge: Bridge, count: int) -> list[tuple[str, Tensor]]:
        """Return `count` embeddings of each modality that the bridge is fitted on."""
        return [(modality, self.embeddings(modality, count)) for modality in bridge.modalities]

    def both(self, bridge: Bridge, e: Tensor, modality: str) -> tuple[Tensor, Tensor]:
        """Return the conditions for training, with a new generator, and for use."""
        generator = torch.Generator().manual_seed(0)
        return bridge.train_condition(e, modality, generator=generator), bridge.condition(e, modality)

    def test_fit_notes_modalities_and_target_and_returns_the_bridge(self) -> None:
        bridge = self.make()
        fitted = bridge.fit({m: self.embeddings(m) for m in self.modalities[:2]}, target=self.target)
        assert fitted is bridge, "fit must return the bridge itself"
        assert bridge.modalities == self.modalities[:2]
        assert bridge.target == self.target

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
    def test_conditions_have_the_size_that_the_bridge_says_and_keep_dtype_and_device(
        self, bridge: Bridge, dtype: torch.dtype
    ) -> None:
        for count in (5, 0):
            for modality, e in self.each(bridge, count):
                for condition in self.both(bridge, e.to(dtype), modality):
                    assert condition.shape == (len(e), bridge.condition_dim(self.dim))
                    assert (condition.dtype, condition.device) == (dtype, e.device)
                    assert torch.isfinite(condition).all()

    def test_a_batch_equals_its_items_one_by_one_at_use(self, bridge: Bridge) -> None:
        for modality, e in self.each(bridge, 7):
            singles = torch.cat([bridge.condition(row.unsqueeze(0), modality) for row in e])
            close(bridge.condition(e, modality), singles)

    def test_random_numbers_come_only_from_the_given_generator(self, bridge: Bridge) -> None:
        before = torch.get_rng_state()
        for modality, e in self.each(bridge, 9):
            for once, again in zip(self.both(bridge, e, modality), self.both(bridge, e, modality), strict=True):
                assert torch.equal(once, again), "draw noise from the given generator"
        assert torch.equal(torch.get_rng_state(), before), "it drew from torch's global generator"

    def test_training_differs_from_use_as_declared(self) -> None:
        bridge, e = self.fitted(), self.embeddings(self.target, 5)
        trained, used = self.both(bridge, e, self.target)
        generator = torch.Generator().manual_seed(2)
        other, next_one = (bridge.train_condition(e, self.target, generator=generator) for _ in range(2))
        if self.noisy:
            assert not torch.allclose(trained, used, atol=1e-4), "no noise: declare noisy = False if this is meant"
            assert not torch.allclose(trained, other, atol=1e-4), "each generator gives the same noise"
            assert not torch.allclose(other, next_one, atol=1e-4), "each step of a training has the same noise"
        else:
            assert torch.allclose(trained, used, rtol=1e-5, atol=1e-6), "it has noise, but declares noisy = False"
            assert torch.equal(trained, other)

    def test_embeddings_are_not_changed(self, bridge: Bridge) -> None:
        for modality, e in self.each(bridge, 6):
            copy = e.clone()
            self.both(bridge, e, modality)
            assert torch.equal(e, copy), "it changed the embeddings in place"

    def test_saved_and_loaded_it_is_the_same(self, bridge: Bridge, tmp_path: Path) -> None:
        file = tmp_path / "bridge.safetensors"
        save_file(bridge.state(), file)
        loaded = type(bridge).restore(json.loads(json.dumps(bridge.config())), load_file(file))
        assert loaded.config() == bridge.config()
        assert (loaded.modalities, loaded.target) == (bridge.modalities, bridge.target)
        for name, value in bridge.state().items():
            assert torch.equal(loaded.state()[name], value), name
        for modality, e in self.each(bridge, 6):
            for condition, same in zip(self.both(bridge, e, modality), self.both(loaded, e, modality), strict=True):
                assert torch.equal(condition, same)

    def test_an_unknown_modality_is_refused_unless_declared(self, bridge: Bridge) -> None:
        later = self.modalities[2]
        e = self.embeddings(later, 3)
        if self.any_modality:
            assert bridge.condition(e, later).shape == (len(e), bridge.condition_dim(self.dim))
        else:
            with pytest.raises(C3Error, match=later):
                bridge.condition(e, later)

    def test_another_dimension_is_refused_if_the_bridge_has_statistics(self, bridge: Bridge) -> None:
        if bridge.state():
            with pytest.raises(C3Error, match=str(self.dim)):
                bridge.condition(torch.ones(2, self.dim + 1), self.target)

    def test_extend_adds_a_modality_and_does_not_change_the_others(self) -> None:
        bridge, later = self.fitted(), self.modalities[2]
        before = {m: self.both(bridge, self.embeddings(m, 5), m) for m in bridge.modalities}
        state = {name: value.clone() for name, value in bridge.state().items()}
        assert bridge.extend({later: self.embeddings(later)}) is bridge, "extend must return the bridge itself"
        assert bridge.modalities == self.modalities[:3]
        for modality, (trained, used) in before.items():
            again = self.both(bridge, self.embeddings(modality, 5), modality)
            assert torch.equal(again[1], used)
            if not self.extending_changes_noise:
                assert torch.equal(again[0], trained), "declare extending_changes_noise = True if this is meant"
        for name, value in state.items():
            assert torch.equal(bridge.state()[name], value), name
        assert bridge.condition(self.embeddings(later, 2), later).shape == (2, bridge.condition_dim(self.dim))

    @pytest.mark.parametrize("form", ["batches", "store", "moments"])
    def test_fitting_on_each_form_equals_fitting_on_one_tensor(self, form: str, tmp_path: Path) -> None:
        """`c3 fit` gives stores. `c3core.Moments.of` takes each form."""
        whole, other = self.fitted(), self.make()
        data: dict[str, Any] = {}
        for modality in self.modalities[:2]:
            e = self.embeddings(modality)
            if form == "batches":
                data[modality] = iter(torch.split(e, 7))
            elif form == "store":
                data[modality] = Store.from_embeddings(
                    tmp_path / modality, e, space="s", modality=modality, fingerprint="f"
                )
            else:
                data[modality] = Moments.of(e, other.needs)
        other.fit(data, target=self.target)
        for modality, e in self.each(whole, 5):
            close(other.condition(e, modality), whole.condition(e, modality))
