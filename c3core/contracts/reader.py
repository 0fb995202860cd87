"""Readers: from a source to an item, or to the reason why there is none."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from c3core.errors import C3Error


@dataclass(frozen=True)
class BadItem:
    """A source that gave no item, or no embedding, and why."""

    source: str
    why: str

    def __str__(self) -> str:
        return f"{self.source.strip() or '(empty)'}: {self.why}"


def name_of(source: Any) -> str:
    """How a source is called where there is only text: a path or sentence by itself, an object by its type."""
    return str(source) if isinstance(source, str | Path) else f"<{type(source).__name__}>"


class BadItems(C3Error):
    """Raised by `Encoder.encode` when sources could not be read.

    `.bad` lists (position, `BadItem`); `.embeddings` holds the rest, in order.
    """

    def __init__(self, bad: Sequence[tuple[int, BadItem]], embeddings: Tensor) -> None:
        self.bad, self.embeddings = list(bad), embeddings
        first = "; ".join(str(item) for _, item in self.bad[:3])
        more = f" and {len(self.bad) - 3} more" if len(self.bad) > 3 else ""
        super().__init__(f"{len(self.bad)} source(s) could not be read: {first}{more}. Mend or leave them out.")


class Reader(ABC):
    """Makes an item of a source. Holds no model, so that it can be sent to a worker process."""

    @abstractmethod
    def read(self, source: Any) -> Any:
        """The item of one source. Raise any exception with a message that says why not."""

    def __call__(self, source: Any) -> Any | BadItem:
        """The item, or a `BadItem` that says why not: one bad source never ends a batch."""
        try:
            return self.read(source)
        except Exception as error:  # a codec may raise anything on a broken file
            return BadItem(name_of(source), str(error) or type(error).__name__)
