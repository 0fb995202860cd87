"""Find pairs of the same item, such as several captions of one photo, and draw one pair of each item."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable

import numpy as np
import torch
from torch import Tensor

from c3core.errors import WrongCall


def row_numbers(rows: Tensor) -> Tensor:
    """(n,) a number for each row (n, d): equal rows have the same one.

    >>> row_numbers(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])).tolist()
    [0, 1, 0]
    """
    return _numbered(hash(row.tobytes()) for row in rows.contiguous().numpy())


def _numbered(keys: Iterable[Hashable]) -> Tensor:
    seen: dict[Hashable, int] = {}
    return torch.tensor([seen.setdefault(key, len(seen)) for key in keys], dtype=torch.long)


def items_of(x: Tensor, y: Tensor) -> Tensor:
    """(n,) the item of each pair, as a number, from the row numbers (n,) of x and y.

    Two pairs are of one item if their x or their y is equal, or if a chain of such pairs connects them.

    >>> items_of(torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 2])).tolist()
    [0, 0, 0, 3]
    """
    items, before = torch.arange(len(x)), torch.full_like(x, -1)
    while not torch.equal(items, before):
        before = items
        for side in (x, y):
            smallest = torch.full_like(items, len(items)).scatter_reduce(0, side, items, "amin")
            items = smallest[side]
    return items


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
    try:
        numbers = _numbered(items).numpy()
    except TypeError as error:
        raise WrongCall(f"one_per must name items by paths, words or numbers: {error}.") from None
    order = np.random.default_rng(seed).permutation(len(numbers))
    _, first = np.unique(numbers[order], return_index=True)
    drawn = torch.zeros(len(numbers), dtype=torch.bool)
    drawn[order[first]] = True
    return drawn
