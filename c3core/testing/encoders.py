"""The contract of an encoder, as a pytest suite. A plugin's test file subclasses it:

    from c3core.testing import EncoderContract

    class TestMyEncoder(EncoderContract):
        def make(self):
            return MyEncoder()

        def sources(self):
            return ["one", "two", "three"]

        def bad_source(self):
            return ""

Class attributes of `EncoderContract` declare what the suite cannot know.
"""

from __future__ import annotations

import copy
import io
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from c3core.contracts import BadItem, BadItems, Encoder, Reader
from c3core.testing.registration import imported_when_registering


class EncoderContract(ABC):
    """What every encoder must keep. Declare what yours can do by the class attributes."""

    tolerance: ClassVar[float] = 1e-5  # on a unit embedding: batches may sum in another order than single items
    differentiable: ClassVar[bool] = False  # whether `embed` lets gradients through to items that are float tensors
    plugin: ClassVar[str | None] = None  # what the entry point names; by default the encoder's top package
    heavy: ClassVar[tuple[str, ...]] = ("torch", "transformers", "pyarrow", "pydantic", "librosa", "torchvision")

    @abstractmethod
    def make(self) -> Encoder:
        """The encoder."""

    @abstractmethod
    def sources(self) -> Sequence[Any]:
        """At least three good sources whose embeddings differ."""

    @abstractmethod
    def bad_source(self) -> Any:
        """A source that the encoder's reader must refuse."""

    def gradient_items(self, encoder: Encoder) -> list[Tensor]:
        """Float tensor items through which `embed` is differentiable: what the reader makes of the sources."""
        return self.items(encoder)

    # ---- parts of the tests

    @pytest.fixture
    def encoder(self) -> Encoder:
        """One encoder for the whole suite, because loading may be slow."""
        made = type(self).__dict__.get("_made")
        if not isinstance(made, Encoder):
            made = self.make()
            type(self)._made = made  # type: ignore[attr-defined]
        return made

    def items(self, encoder: Encoder) -> list[Any]:
        """The sources as the encoder's reader reads them."""
        items = [encoder.reader()(source) for source in self.sources()]
        bad = [item for item in items if isinstance(item, BadItem)]
        assert not bad, "sources() must give good sources"
        assert len(items) >= 3, "sources() must give at least three"
        return items

    def close(self, actual: Tensor, expected: Tensor) -> None:
        torch.testing.assert_close(actual, expected, rtol=0, atol=self.tolerance)

    # ---- the contract

    def test_declares_space_modality_dimension_and_license(self, encoder: Encoder) -> None:
        for declared in (encoder.space, encoder.modality, encoder.license):
            assert isinstance(declared, str)
            assert declared.strip()
        assert isinstance(encoder.dim, int)
        assert encoder.dim > 0

    def test_fingerprint_is_a_string_that_stays_the_same(self, encoder: Encoder) -> None:
        assert isinstance(encoder.fingerprint, str)
        assert encoder.fingerprint.strip()
        assert self.make().fingerprint == encoder.fingerprint

    def test_encode_gives_unit_float32_of_the_declared_dimension(self, encoder: Encoder) -> None:
        embeddings = encoder.encode(self.sources())
        assert embeddings.shape == (len(self.sources()), encoder.dim)
        assert (embeddings.dtype, embeddings.device.type) == (torch.float32, "cpu")
        assert not embeddings.requires_grad
        self.close(embeddings.norm(dim=1), torch.ones(len(embeddings)))

    def test_embed_gives_one_finite_row_an_item(self, encoder: Encoder) -> None:
        items = self.items(encoder)
        raw = encoder.embed(items)
        assert raw.shape == (len(items), encoder.dim)
        assert raw.is_floating_point()
        assert torch.isfinite(raw).all()

    def test_different_sources_get_different_embeddings(self, encoder: Encoder) -> None:
        # Without this, the tests of order and of batches would prove nothing.
        apart = torch.pdist(encoder.encode(self.sources()))
        assert apart.min() > 10 * self.tolerance

    def test_a_batch_equals_its_items_one_by_one(self, encoder: Encoder) -> None:
        alone = torch.cat([encoder.encode([source]) for source in self.sources()])
        self.close(encoder.encode(self.sources()), alone)
        self.close(encoder.encode(self.sources(), batch_size=2), alone)

    def test_order_is_kept(self, encoder: Encoder) -> None:
        backwards = encoder.encode(list(reversed(self.sources())))
        self.close(backwards.flip(0), encoder.encode(self.sources()))

    def test_the_same_sources_give_the_same_embeddings(self, encoder: Encoder) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            once = encoder.encode(self.sources())
            torch.manual_seed(2)
            assert torch.equal(encoder.encode(self.sources()), once)

    def test_made_again_with_the_same_fingerprint_it_gives_the_same_embeddings(self, encoder: Encoder) -> None:
        self.close(self.make().encode(self.sources()), encoder.encode(self.sources()))

    def test_an_empty_batch_gives_no_rows(self, encoder: Encoder) -> None:
        assert encoder.encode([]).shape == (0, encoder.dim)

    def test_sources_are_not_changed(self, encoder: Encoder) -> None:
        sources = copy.deepcopy(list(self.sources()))
        before = snapshot(sources)
        encoder.encode(sources)
        assert snapshot(sources) == before

    def test_items_are_not_changed(self, encoder: Encoder) -> None:
        items = self.items(encoder)
        before = snapshot(items)
        encoder.embed(items)
        assert snapshot(items) == before

    def test_reader_survives_the_way_to_a_worker(self, encoder: Encoder) -> None:
        reader = encoder.reader()
        assert isinstance(reader, Reader)
        sent = pickle.loads(pickle.dumps(reader))
        for source in self.sources():
            assert snapshot(sent(source)) == snapshot(reader(source))

    def test_reader_holds_no_tensors_and_no_modules(self, encoder: Encoder) -> None:
        assert held_in(encoder.reader()) == []

    def test_a_bad_source_gives_a_bad_item_with_a_reason(self, encoder: Encoder) -> None:
        item = encoder.reader()(self.bad_source())
        assert isinstance(item, BadItem)
        assert isinstance(item.source, str)
        assert item.why.strip()

    def test_a_bad_source_is_reported_by_position_and_the_rest_is_encoded(self, encoder: Encoder) -> None:
        first, *rest = self.sources()
        with pytest.raises(BadItems) as caught:
            encoder.encode([first, self.bad_source(), *rest, self.bad_source()], batch_size=2)
        assert [position for position, _ in caught.value.bad] == [1, len(rest) + 2]
        assert all(isinstance(item, BadItem) for _, item in caught.value.bad)
        self.close(caught.value.embeddings, encoder.encode([first, *rest]))

    def test_embed_lets_gradients_through(self, encoder: Encoder) -> None:
        if not self.differentiable:
            pytest.skip("not declared: differentiable = True")
        given = self.gradient_items(encoder)
        assert all(isinstance(item, Tensor) and item.is_floating_point() for item in given), "override gradient_items()"
        items = [item.detach().clone().requires_grad_() for item in given]
        raw = encoder.embed(items)
        weights = torch.randn(raw.shape, generator=torch.Generator().manual_seed(0)).to(raw)
        for gradient in torch.autograd.grad((raw * weights).sum(), items):
            assert torch.isfinite(gradient).all()
            assert gradient.abs().sum() > 0

    def test_registration_imports_no_heavy_library(self, encoder: Encoder) -> None:
        module = self.plugin or type(encoder).__module__.split(".")[0]
        found = imported_when_registering(module, self.heavy)
        assert found == [], f"importing {module} and running its hooks must not import these"


def snapshot(value: Any) -> Any:
    """A copy that `==` compares by content: of arrays and tensors their bytes, of other single things their pickle."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().contiguous()
        return ("tensor", str(value.dtype), tuple(value.shape), value.reshape(-1).view(torch.uint8).numpy().tobytes())
    if isinstance(value, np.ndarray):
        return ("array", str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, Mapping):
        return {key: snapshot(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [snapshot(entry) for entry in value]
    return pickle.dumps(value)


def held_in(reader: Reader) -> list[str]:
    """The names of the types of tensors and modules that pickling the reader meets."""
    held: list[str] = []

    class Look(pickle.Pickler):
        def persistent_id(self, thing: Any) -> None:
            if isinstance(thing, Tensor | nn.Module):
                held.append(type(thing).__name__)

    Look(io.BytesIO()).dump(reader)
    return held
