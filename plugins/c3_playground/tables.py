"""Pairs of the world as a table for recipes: `playground:<modality>/<split>/<number>`."""

from __future__ import annotations

from c3_playground.world import World
from c3core.errors import C3Error
from c3core.sources import Table


def table(argument: str) -> Table:
    """Columns `<modality>` (arrays) and `text`, five rows an item, as in a table of captions.

    >>> sorted(table("image/test/2").columns)
    ['image', 'text']
    """
    try:
        modality, split, number = argument.split("/")
        items = World().items(modality, split, int(number))
    except ValueError as error:
        raise C3Error(f"a playground table is written playground:image/train/1000, not {argument!r} ({error}).") from None
    rows = [(item.data, sentence) for item in items for sentence in item.sentences]
    return Table({modality: [data for data, _ in rows], "text": [sentence for _, sentence in rows]})
