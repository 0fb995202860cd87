"""Read the same rows of two sides in batches, however each side comes in batches of its own.

Several pairs may be of one item, such as several captions of one photo: warn of them, or draw one pair of each item.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor

from c3core.errors import C3Error, WrongCall, warn
from c3core.io.validation import by_position
from c3core.statistics.moments import row_batches

_CHUNK = 8192


def paired_batches(
    x: Any, y: Any, *, one_per: Sequence[Hashable] | None, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield rows of x and y (n, d), and which of them to take (n,) bool: all, or one of each item of `one_per`."""
    items = None if one_per is None else by_position(one_per, "one_per")
    x_name, y_name = (str(getattr(side, "folder", name)) for name, side in (("x", x), ("y", y)))
    if hasattr(x, "paired_with") and hasattr(y, "paired_with"):
        if x.space != y.space:
            warn(f"{x_name} is of the space {x.space}, {y_name} of {y.space}: only embeddings of one can be compared.")
        if paired := x.paired_with(y):  # stores of one table
            x, y, numbers = paired
            if items is not None:
                items = _of_rows(items, numbers)
        elif x.bad or y.bad:  # row i of one store belongs to another row of the other after each bad input
            raise C3Error(
                f"{x.bad} input(s) of {x_name} and {y.bad} of {y_name} gave no embedding, so that their rows cannot be"
                " paired. Embed both from one table (pairs.csv:image, pairs.csv:text), which tells the pairs, or leave"
                " the bad ones out."
            )
    taken = None if items is None else draw_one_per_item(items, seed)
    start = 0
    for one, other in zip_longest(_chunks(x), _chunks(y)):
        rows = [(0 if one is None else len(one), x_name), (0 if other is None else len(other), y_name)]
        (fewer, short), (more, long) = sorted(rows)
        if fewer < more:
            raise C3Error(f"{short} has fewer rows than {long}. Give pairs: row i belongs to row i.")
        if one.shape[1] != other.shape[1]:
            dims = f"{x_name} has {one.shape[1]} dimensions and {y_name} {other.shape[1]}"
            raise WrongCall(f"{dims}. Use encoders of one space.")
        stop = start + len(one)
        if taken is not None and len(taken) < stop:
            raise WrongCall(f"one_per names {len(taken)} items, but there are more pairs. Name the item of each pair.")
        yield one, other, torch.ones(len(one), dtype=torch.bool) if taken is None else taken[start:stop]
        start = stop
    if taken is not None and len(taken) > start:
        raise WrongCall(f"one_per names {len(taken)} items, but there are {start} pairs. Name the item of each pair.")


def _of_rows(items: Sequence[Hashable], numbers: Sequence[int]) -> list[Hashable]:
    """The items of the rows of a table, which are numbered from 1."""
    if len(numbers) and (min(numbers) < 1 or max(numbers) > len(items)):
        raise WrongCall(f"one_per names {len(items)} items, but the stores hold row {max(numbers)} of their table.")
    return [items[number - 1] for number in numbers]


def _chunks(embeddings: Any) -> Iterator[Tensor]:
    """The rows in chunks of `_CHUNK`, the last of fewer."""
    held: list[Tensor] = []
    for batch in row_batches(embeddings):
        for rows in torch.split(batch.detach().cpu(), _CHUNK):  # type: ignore[no-untyped-call]
            held.append(rows)
            if sum(map(len, held)) >= _CHUNK:
                together = torch.cat(held)
                yield together[:_CHUNK]
                held = [together[_CHUNK:]]
    if any(map(len, held)):
        yield torch.cat(held)


def warn_of_repeats(rows: int, different: dict[str, int]) -> None:
    """Warn if x or y has fewer different rows than rows."""
    repeated = [f"{name} has {count} different rows" for name, count in different.items() if count < rows]
    if repeated:
        warn(
            f"items repeat: of {rows} pairs, {' and '.join(repeated)}. Pairs of one item share their noise. Take one"
            " pair of each item: --one-per TABLE:COLUMN, or one_per= in Python.",
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
