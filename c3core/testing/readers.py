"""The contract of a reader, which the suites of encoders and towers include."""

from __future__ import annotations

import io
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from c3core.contracts import BadItem, Reader


class ReaderContract(ABC):
    """What every reader must do. A suite gives the `reader` by a fixture."""

    @abstractmethod
    def sources(self) -> Sequence[Any]:
        """Return at least three sources that can be read and differ."""

    @abstractmethod
    def bad_source(self) -> Any:
        """Return a source that cannot be read."""

    @pytest.fixture
    def reader(self) -> Reader:
        """The reader under test."""
        raise NotImplementedError

    def items(self, reader: Reader) -> list[Any]:
        """Read the sources."""
        items = [reader(source) for source in self.sources()]
        bad = [str(item) for item in items if isinstance(item, BadItem)]
        assert not bad, "sources() must give good sources"
        assert len(items) >= 3, "sources() must give at least three"
        return items

    def test_the_reader_can_be_sent_to_a_worker(self, reader: Reader) -> None:
        assert isinstance(reader, Reader)
        sent = pickle.loads(pickle.dumps(reader))
        for source in self.sources():
            assert snapshot(sent(source)) == snapshot(reader(source)), "pickled, it reads another item"

    def test_takes_text_only_if_its_sources_are_strings(self, reader: Reader) -> None:
        assert isinstance(reader.takes_text, bool)
        strings = all(isinstance(source, str) for source in self.sources())
        assert not reader.takes_text or strings, "takes_text = True means that a source is a string"

    def test_the_reader_holds_no_tensors_and_no_modules(self, reader: Reader) -> None:
        assert held_in(reader) == [], "keep tensors and models in the encoder or tower: a reader is sent to workers"

    def test_reading_does_not_change_a_source(self, reader: Reader) -> None:
        for source in self.sources():
            before = snapshot(source)
            reader(source)
            assert snapshot(source) == before, "it changed the source in place"

    def test_a_bad_source_gives_a_bad_item_with_a_reason(self, reader: Reader) -> None:
        item = reader(self.bad_source())
        assert isinstance(item, BadItem), "read must raise for bad_source()"
        assert isinstance(item.source, str)
        assert item.why.strip(), "the error that read raises must have a message"


def snapshot(value: Any) -> Any:
    """Return a copy that `==` compares by content."""
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
    """Return the type names of tensors and modules inside a reader."""
    held: list[str] = []

    class Look(pickle.Pickler):
        def persistent_id(self, thing: Any) -> None:
            if isinstance(thing, Tensor | nn.Module):
                held.append(type(thing).__name__)

    Look(io.BytesIO()).dump(reader)
    return held
