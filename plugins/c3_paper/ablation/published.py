"""Published figures, to set beside those of an ablation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from c3_paper.published import BASELINES, TABLES, rows
from c3core.errors import WrongCall, near
from c3core.io import load_yaml, path_of

KEYS = ("bridge", "modality", "fraction")  # what a published row may tell of itself; its other fields are figures


def load_published(name: str) -> list[dict[str, Any]]:
    """Return the rows of a table of the paper, of a baseline, or of a YAML file that lists them.

    Each row has a `bridge`, and figures by metric. It may also name the `modality` of the inputs and the `fraction` of
    the pairs. Raises `WrongCall` for an unknown name.
    """
    if name in (known := [*TABLES, *BASELINES]):
        return rows(name)
    if not (path := path_of(name)).is_file():
        raise WrongCall(f"{name} is neither a file nor figures of the paper: {near(name, known)}")
    found = load_yaml(path.read_text(encoding="utf-8"), name)
    if not (isinstance(found, list) and all(isinstance(row, dict) for row in found)):
        raise WrongCall(f"{name} must hold a list of rows, as in `- {{bridge: c3, cider: 93.3}}`.")
    return found


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
