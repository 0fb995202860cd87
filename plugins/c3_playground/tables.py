"""Pairs of the world as a table for recipes, `playground:<modality>/<split>/<number>[/<sentences>]`."""

from __future__ import annotations

from pathlib import Path

from c3_playground.world import World
from c3_playground.world.world import SENTENCES_PER_ITEM
from c3core.data import Table
from c3core.errors import WrongCall


def table(argument: str, *, folder: Path = Path()) -> Table:
    """A table with the columns `<modality>` (arrays) and `text`, with `<sentences>` rows for each item (5).

    With one sentence for each item, a column has no repeats, and can be trained on. No file is read from `folder`.

    >>> sorted(table("image/test/2").columns)
    ['image', 'text']
    >>> table("image/test/2").rows, table("image/test/2/1").rows
    (10, 2)
    """
    form = f"write a playground table as playground:image/train/1000, not {argument!r}"
    parts = argument.split("/")
    if len(parts) not in (3, 4):
        raise WrongCall(f"{form}: modality, split, number of items, and, if you like, sentences of each.")
    try:
        modality, split, number = parts[:3]
        each = int(parts[3]) if parts[3:] else SENTENCES_PER_ITEM
        count = int(number)
    except ValueError as error:
        raise WrongCall(f"{form} ({error}).") from None
    if count < 1:
        raise WrongCall(f"{form}: it needs at least 1 item.")
    if not 1 <= each <= SENTENCES_PER_ITEM:
        raise WrongCall(f"a playground table has 1 to {SENTENCES_PER_ITEM} sentences for each item, got {each}.")
    items = World().items(modality, split, count)
    data = [item.data for item in items]  # the rows of an item share its array
    return Table(
        {
            modality: [array for array, item in zip(data, items, strict=True) for _ in range(each)],
            "text": [sentence for item in items for sentence in item.sentences[:each]],
        }
    )
