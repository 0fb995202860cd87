"""The contract of an encoder, as a pytest suite. A plugin's test file subclasses it:

    from c3core.testing import EncoderContract

    class TestMyEncoder(EncoderContract):
        def make(self):
            return MyEncoder()

        def sources(self):
            return ["one", "two", "three"]

        def bad_source(self):
            return ""

Class attributes declare what the suite cannot know.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from c3core.contracts import BadItem, BadItems, Encoder, Reader
from c3core.testing.readers import ReaderContract, snapshot

OTHER_PROCESS = """
import functools, importlib, numpy, pickle, sys
module, name, file = sys.argv[1:]
encoder = functools.reduce(getattr, name.split("."), importlib.import_module(module))().make()
embeddings = encoder.encode(pickle.load(sys.stdin.buffer)).numpy()
numpy.savez(file, embeddings=embeddings, fingerprint=encoder.fingerprint)
"""


class EncoderContract(ReaderContract):
    """What every encoder must do. Class attributes declare what the suite cannot know."""

    tolerance: ClassVar[float] = 1e-5  # of unit embeddings in a batch and alone
    differentiable: ClassVar[bool] = False  # whether `embed` lets gradients through to items that are float tensors

    @abstractmethod
    def make(self) -> Encoder:
        """Return the encoder."""

    def gradient_items(self, encoder: Encoder) -> list[Tensor]:
        """Return float tensor items to differentiate `embed` by: by default the items of the sources."""
        return self.items(encoder.reader())

    # ---- parts of the tests

    @pytest.fixture
    def encoder(self) -> Encoder:
        """One encoder for all tests of a suite, because loading may be slow."""
        encoder = type(self).__dict__.get("_encoder")
        if not isinstance(encoder, Encoder):
            encoder = self.make()
            type(self)._encoder = encoder  # type: ignore[attr-defined]
        return encoder

    @pytest.fixture
    def reader(self, encoder: Encoder) -> Reader:
        return encoder.reader()

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
        assert self.make().fingerprint == encoder.fingerprint, "the same weights must have the same fingerprint"

    def test_encode_gives_unit_float32_of_the_declared_dimension(self, encoder: Encoder) -> None:
        embeddings = encoder.encode(self.sources())
        assert embeddings.shape == (len(self.sources()), encoder.dim)
        assert (embeddings.dtype, embeddings.device.type) == (torch.float32, "cpu")
        assert not embeddings.requires_grad
        self.close(embeddings.norm(dim=1), torch.ones(len(embeddings)))

    def test_embed_gives_one_finite_row_per_item(self, encoder: Encoder) -> None:
        items = self.items(encoder.reader())
        raw = encoder.embed(items)
        assert raw.shape == (len(items), encoder.dim)
        assert raw.is_floating_point()
        assert torch.isfinite(raw).all()

    def test_embeds_on_its_device_and_stays_there_when_moved_to_it(self, encoder: Encoder) -> None:
        assert encoder.embed(self.items(encoder.reader())).device == encoder.device
        assert encoder.to(encoder.device) is encoder, "to must return the encoder itself"

    def test_different_sources_get_different_embeddings(self, encoder: Encoder) -> None:
        apart = torch.pdist(encoder.encode(self.sources()))
        assert apart.min() > 10 * self.tolerance, "two of sources() have one embedding: give others, or tell them apart"

    def test_a_batch_equals_its_items_one_by_one(self, encoder: Encoder) -> None:
        singles = torch.cat([encoder.encode([source]) for source in self.sources()])
        self.close(encoder.encode(self.sources()), singles)
        self.close(encoder.encode(self.sources(), batch_size=2), singles)

    def test_the_same_sources_give_the_same_embeddings(self, encoder: Encoder) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            once = encoder.encode(self.sources())
            torch.manual_seed(2)
            assert torch.equal(encoder.encode(self.sources()), once), "it draws random numbers: is it in eval mode?"

    def test_made_again_with_the_same_fingerprint_it_gives_the_same_embeddings(self, encoder: Encoder) -> None:
        self.close(self.make().encode(self.sources()), encoder.encode(self.sources()))

    def test_a_process_with_another_hash_seed_gives_the_same_embeddings(self, encoder: Encoder, tmp_path: Path) -> None:
        kind, file = type(self), tmp_path / "embeddings.npz"
        command = [sys.executable, "-c", OTHER_PROCESS, kind.__module__, kind.__qualname__, str(file)]
        seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": seed}
        sources = pickle.dumps(self.sources())
        run = subprocess.run(command, input=sources, capture_output=True, env=environment, check=False)
        if run.returncode:  # `make` may need what only a fixture gives
            pytest.skip(f"another process cannot make it: {run.stderr.decode().strip().splitlines()[-1:]}")
        found, rule = np.load(file), "use no hash() of Python, and no order of a set"
        assert found["fingerprint"] == encoder.fingerprint, rule
        assert np.allclose(found["embeddings"], encoder.encode(self.sources()), rtol=0, atol=self.tolerance), rule

    def test_an_empty_batch_gives_no_rows(self, encoder: Encoder) -> None:
        assert encoder.encode([]).shape == (0, encoder.dim)

    def test_items_are_not_changed(self, encoder: Encoder) -> None:
        items = self.items(encoder.reader())
        before = snapshot(items)
        encoder.embed(items)
        assert snapshot(items) == before, "embed changed its items in place"

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
        items = self.gradient_items(encoder)
        assert all(isinstance(item, Tensor) and item.is_floating_point() for item in items), "override gradient_items()"
        items = [item.detach().clone().requires_grad_() for item in items]
        raw = encoder.embed(items)
        weights = torch.randn(raw.shape, generator=torch.Generator().manual_seed(0)).to(raw)
        for gradient in torch.autograd.grad((raw * weights).sum(), items):
            assert torch.isfinite(gradient).all()
            assert gradient.abs().sum() > 0
