"""The suite of encoders passes a good encoder, and a broken one fails the right test."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from c3core.contracts import Encoder, Reader
from c3core.testing import EncoderContract
from tests.helpers.suites import FAILURES, list_tests, run_test

DIM = 4
MATRIX = torch.randn(3, DIM, generator=torch.Generator().manual_seed(0))


class ArrayReader(Reader):
    def read(self, source: np.ndarray) -> Tensor:
        if not np.isfinite(source).all():
            raise ValueError("not finite")
        return torch.from_numpy(source.copy())


class Good(Encoder):
    space, modality, dim, license, fingerprint = "arrays", "array", DIM, "MIT", "arrays-1"

    def reader(self) -> Reader:
        return ArrayReader()

    def embed(self, items: list[Tensor]) -> Tensor:
        return torch.tanh(torch.stack(list(items)) @ MATRIX)


class TestGood(EncoderContract):
    differentiable = True
    encoder_class: type[Encoder] = Good

    def make(self) -> Encoder:
        return self.encoder_class()

    def sources(self) -> list[np.ndarray]:
        rows = np.eye(3, dtype=np.float32) + 0.25
        return [rows[0], rows[1], rows[2], -rows[0]]

    def bad_source(self) -> np.ndarray:
        return np.full(3, np.nan, dtype=np.float32)


# ---- each of these is broken in one way


class Nameless(Good):
    modality = " "


class AnotherFingerprintEachTime(Good):
    count = itertools.count()

    def __init__(self) -> None:
        self.fingerprint = str(next(self.count))


class NoFingerprint(Good):
    fingerprint = ""


class AnotherDimension(Good):
    dim = DIM + 1


class Double(Good):
    def encode(self, sources, *, batch_size=64):
        return super().encode(sources, batch_size=batch_size).double()


class NotUnit(Good):
    def embed_items(self, items):
        embeddings, norms = super().embed_items(items)
        return 1.01 * embeddings, norms


class NotFinite(Good):
    def embed(self, items):
        return super().embed(items) / 0.0


class AllAlike(Good):
    def embed(self, items):
        return super().embed(items) * 0 + 1


class DependsOnTheBatch(Good):
    def embed(self, items):
        raw = super().embed(items)
        return raw - 0.5 * raw.mean(0)


class Sorted(Good):
    def embed(self, items):
        return super().embed(items).sort(dim=0).values


class Noisy(Good):
    def embed(self, items):
        raw = super().embed(items)
        return raw + 0.01 * torch.randn(raw.shape)


class AnotherModelEachTime(Good):
    count = itertools.count(1)

    def __init__(self) -> None:
        self.scale = torch.linspace(1, 1 + next(self.count), DIM)

    def embed(self, items):
        return super().embed(items) * self.scale


class Salted(Good):
    def embed(self, items):
        return super().embed(items) + hash("salt") % 1000 / 1000


class SaltedSuite(TestGood):
    encoder_class = Salted


class FailsOnNothing(Good):
    def encode(self, sources, *, batch_size=64):
        return self.embed_items([self.reader()(source) for source in sources])[0]

    def embed_items(self, items):
        raw = self.embed(items)
        return raw / raw.norm(dim=1, keepdim=True), raw.norm(dim=1)


class ChangesItems(Good):
    def embed(self, items):
        return super().embed([item.mul_(2) for item in items])


class ReaderInPlace(ArrayReader):
    def read(self, source):
        source *= 2
        return super().read(source)


class ReaderWithFunction(ArrayReader):
    def __init__(self) -> None:
        self.after = lambda item: item


class ReaderWithModule(ArrayReader):
    def __init__(self) -> None:
        self.parts = {"model": [nn.Linear(1, 1)]}


class ReaderThatForgets(ArrayReader):
    def __init__(self) -> None:
        self.scale = 2

    def __getstate__(self):
        return {"scale": 1}

    def read(self, source):
        return super().read(source) * self.scale


class ReaderThatTakesAll(ArrayReader):
    def read(self, source):
        return torch.from_numpy(np.nan_to_num(source))


class ReaderThatRaises(ArrayReader):
    def __call__(self, source):
        return self.read(source)


class ReaderWithoutReason(ArrayReader):
    def read(self, source):
        if not np.isfinite(source).all():
            raise ValueError(" ")
        return super().read(source)


class ReaderThatTakesText(ArrayReader):
    takes_text = True


class Elsewhere(Good):
    device = torch.device("meta")


def reading(reader: type[Reader]) -> type[Encoder]:
    """The good encoder with another reader."""
    return type(f"With{reader.__name__}", (Good,), {"reader": lambda self: reader()})


class DropsBadOnes(Good):
    def encode(self, sources, *, batch_size=64):
        return torch.cat([batch.embeddings for batch in self.encode_batches(sources, batch_size=batch_size)])


class CountsWithinTheBatch(Good):
    def encode_batches(self, sources, *, batch_size=64):
        for batch in super().encode_batches(sources, batch_size=batch_size):
            batch.bad[:] = [(position % batch_size, item) for position, item in batch.bad]
            yield batch


class Detached(Good):
    def embed(self, items):
        return super().embed(items).detach()


BROKEN = [
    (Nameless, "test_declares_space_modality_dimension_and_license"),
    (AnotherFingerprintEachTime, "test_fingerprint_is_a_string_that_stays_the_same"),
    (NoFingerprint, "test_fingerprint_is_a_string_that_stays_the_same"),
    (AnotherDimension, "test_encode_gives_unit_float32_of_the_declared_dimension"),
    (AnotherDimension, "test_embed_gives_one_finite_row_per_item"),
    (Double, "test_encode_gives_unit_float32_of_the_declared_dimension"),
    (NotUnit, "test_encode_gives_unit_float32_of_the_declared_dimension"),
    (NotFinite, "test_embed_gives_one_finite_row_per_item"),
    (AllAlike, "test_different_sources_get_different_embeddings"),
    (DependsOnTheBatch, "test_a_batch_equals_its_items_one_by_one"),
    (Sorted, "test_a_batch_equals_its_items_one_by_one"),
    (Noisy, "test_the_same_sources_give_the_same_embeddings"),
    (AnotherModelEachTime, "test_made_again_with_the_same_fingerprint_it_gives_the_same_embeddings"),
    (Salted, "test_a_process_with_another_hash_seed_gives_the_same_embeddings"),
    (FailsOnNothing, "test_an_empty_batch_gives_no_rows"),
    (reading(ReaderInPlace), "test_reading_does_not_change_a_source"),
    (ChangesItems, "test_items_are_not_changed"),
    (reading(ReaderWithFunction), "test_the_reader_can_be_sent_to_a_worker"),
    (reading(ReaderThatForgets), "test_the_reader_can_be_sent_to_a_worker"),
    (reading(ReaderWithModule), "test_the_reader_holds_no_tensors_and_no_modules"),
    (reading(ReaderThatTakesText), "test_takes_text_only_if_its_sources_are_strings"),
    (Elsewhere, "test_embeds_on_its_device_and_stays_there_when_moved_to_it"),
    (reading(ReaderThatTakesAll), "test_a_bad_source_gives_a_bad_item_with_a_reason"),
    (reading(ReaderThatRaises), "test_a_bad_source_gives_a_bad_item_with_a_reason"),
    (reading(ReaderWithoutReason), "test_a_bad_source_gives_a_bad_item_with_a_reason"),
    (DropsBadOnes, "test_a_bad_source_is_reported_by_position_and_the_rest_is_encoded"),
    (CountsWithinTheBatch, "test_a_bad_source_is_reported_by_position_and_the_rest_is_encoded"),
    (Detached, "test_embed_lets_gradients_through"),
]


@pytest.mark.parametrize(("encoder", "test"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_encoder_fails_the_right_test(encoder, test, tmp_path):
    suite = SaltedSuite() if encoder is Salted else type("Suite", (TestGood,), {"encoder_class": encoder})()
    made = encoder()
    with pytest.raises(FAILURES):
        run_test(suite, test, encoder=made, reader=made.reader(), tmp_path=tmp_path)


def test_every_test_of_the_suite_is_failed_by_a_broken_encoder():
    assert list_tests(EncoderContract) == {test for _, test in BROKEN}


def test_gradients_are_not_asked_for_unless_declared():
    suite = type("Suite", (TestGood,), {"differentiable": False})()
    with pytest.raises(pytest.skip.Exception, match="differentiable = True"):
        suite.test_embed_lets_gradients_through(Detached())


@pytest.mark.parametrize("sources", [[np.ones(3)], [np.full(3, np.nan)] * 3], ids=["too few", "bad"])
def test_sources_are_checked(sources):
    suite = type("Suite", (TestGood,), {"sources": lambda self: sources})()
    with pytest.raises(AssertionError, match=r"sources\(\) must give"):
        suite.items(ArrayReader())
