"""Items that are indexed by labels, as a pandas Series that was shuffled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Labelled:
    """Iterates over its values in order; an index looks one up by its label, which is its place from the end."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, label: int) -> Any:
        return self.values[::-1][label]
