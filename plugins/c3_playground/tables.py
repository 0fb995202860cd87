"""Pairs of the world as a table for recipes: `playground:<modality>/<split>/<number>[/<sentences>]`."""

from __future__ import annotations

from c3_playground.world import World
from c3_playground.world.world import SENTENCES_AN_ITEM
from c3core.data import Table
from c3core.errors import WrongCall


def table(argument: str) -> Table:
    """Columns `<modality>` (arrays) and `text`, five rows an item as in a table of captions, or as many as
    `<sentences>` says.

    With one sentence an item, each of its columns is a list of items without repeats, to train on.

    >>> sorted(table("image/test/2").columns)
    ['image', 'text']
    >>> table("image/test/2").rows, table("image/test/2/1").rows
    (10, 2)
    """
    written = f"a playground table is written playground:image/train/1000, not {argument!r}"
    parts = argument.split("/")
    if len(parts) not in (3, 4):
        raise WrongCall(f"{written}: modality, split, how many, and if you like how many sentences of each.")
    try:
        modality, split, number = parts[:3]
        each = int(parts[3]) if parts[3:] else SENTENCES_AN_ITEM
        count = int(number)
    except ValueError as error:
        raise WrongCall(f"{written} ({error}).") from None
    if count < 1:
        raise WrongCall(f"{written}: it has at least 1 item.")
    if not 1 <= each <= SENTENCES_AN_ITEM:
        raise WrongCall(f"a playground table has 1 to {SENTENCES_AN_ITEM} sentences an item, not {each}.")
    items = World().items(modality, split, count)
    data = [item.data for item in items]  # one array an item, so that its five rows share it
    return Table(
        {
            modality: [array for array, item in zip(data, items, strict=True) for _ in range(each)],
            "text": [sentence for item in items for sentence in item.sentences[:each]],
        }
    )
