"""Published figures, to set beside those of an ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from c3core.registry import call_factory, entry

KEYS = ("bridge", "modality", "fraction")  # what a published row may tell of itself; its other fields are figures


def load_published(name: str) -> list[dict[str, Any]]:
    """Return the rows of published figures by name. Raises `WrongCall` for an unknown name."""
    rows: list[dict[str, Any]] = call_factory(entry("published", name).load(), f"published {name!r}", name)
    return rows


def published_row(rows: Sequence[Mapping[str, Any]], **described: Any) -> dict[str, float]:
    """Return the figures of the first row that fits a description; none if no row does.

    A row fits if each of `KEYS` that it has is equal in the description.

    >>> rows = [{"bridge": "c1", "cider": 13.0}, {"bridge": "c3", "cider": 93.3}]
    >>> published_row(rows, bridge="c3", modality="image"), published_row(rows, bridge="capdec")
    ({'cider': 93.3}, {})
    """
    for row in rows:
        if all(row[key] == described.get(key) for key in KEYS if key in row):
            return {name: value for name, value in row.items() if isinstance(value, float) and name not in KEYS}
    return {}
