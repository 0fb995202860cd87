"""Readers turn a source into an item, or say why they cannot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from c3core.contracts.dataset_cell import plain_source
from c3core.errors import C3Error, reason_of


@dataclass(frozen=True)
class BadItem:
    """A source that could not be read or embedded, and why."""

    source: str
    why: str

    def __str__(self) -> str:
        return f"{self.source.strip() or '(empty)'}: {self.why}"


def name_of(source: Any) -> str:
    """Return a source as text: a path or a sentence itself, another object's type."""
    return str(source) if isinstance(source, str | Path) else f"<{type(source).__name__}>"


def summarize_bad(bad: Iterable[object], count: int) -> str:
    """The first three of `count` bad items with their reasons, and the number of the others."""
    return "; ".join(str(item) for item in islice(bad, 3)) + (f"; and {count - 3} more" if count > 3 else "")


class BadItems(C3Error):
    """Raised by `Encoder.encode` if sources could not be read or embedded.

    `bad` lists (position, `BadItem`). `embeddings` holds the embeddings of the other sources, in order.
    """

    def __init__(self, bad: Sequence[tuple[int, BadItem]], embeddings: Tensor) -> None:
        self.bad, self.embeddings = list(bad), embeddings
        first = summarize_bad((item for _, item in self.bad), len(self.bad))
        super().__init__(f"{len(self.bad)} source(s) could not be read: {first}. Repair them or leave them out.")


class Reader(ABC):
    """Turns a source into an item. It holds no model, so that it can be sent to a worker process."""

    takes_text: bool = False  # whether a string is the item itself, not the name of a file
    takes_tables: bool = False  # whether a .csv or .tsv file is an item itself, not a table that names items

    @abstractmethod
    def read(self, source: Any) -> Any:
        """Return the item of a source. Raise any exception whose message says why it cannot be read."""

    def __call__(self, source: Any) -> Any | BadItem:
        """Return the item of a source or a cell of a data set, or a `BadItem` if `read` raises."""
        try:
            with plain_source(source) as plain:
                return self.read(plain)
        except Exception as error:  # a codec may raise anything for a broken file
            return BadItem(name_of(source), reason_of(error, type(self).__module__))
