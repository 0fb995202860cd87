"""Pairs of the same item, such as several captions of one photo: warn of them, and draw one pair of each item."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable

import numpy as np
import torch
from torch import Tensor

from c3core.errors import WrongCall


def warn_of_repeats(rows: int, different: dict[str, int]) -> None:
    """Warn if x or y has fewer different rows than rows."""
    repeated = [f"{name} has {count} different rows" for name, count in different.items() if count < rows]
    if repeated:
        warnings.warn(
            f"items repeat: of {rows} pairs, {' and '.join(repeated)}. Pairs of one item share their noise. Take one"
            " pair of each item: --one-per TABLE:COLUMN, or one_per= in Python.",
            stacklevel=3,
        )


def draw_one_per_item(items: Iterable[Hashable], seed: int) -> Tensor:
    """(n,) bool: True for one entry of each item, drawn at random. Raises `WrongCall` for items without a hash.

    >>> int(draw_one_per_item(["a", "a", "b"], seed=0).sum())
    2
    """
    seen: dict[Hashable, int] = {}
    try:
        numbers = np.array([seen.setdefault(key, len(seen)) for key in items], dtype=np.int64)
    except TypeError as error:
        raise WrongCall(f"one_per must name items by paths, words or numbers: {error}.") from None
    order = np.random.default_rng(seed).permutation(len(numbers))
    _, first = np.unique(numbers[order], return_index=True)
    drawn = torch.zeros(len(numbers), dtype=torch.bool)
    drawn[order[first]] = True
    return drawn
