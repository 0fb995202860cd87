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
    data = [item.data for item in items]  # one array an item, so that its five rows share it
    return Table(
        {
            modality: [array for array, item in zip(data, items, strict=True) for _ in item.sentences],
            "text": [sentence for item in items for sentence in item.sentences],
        }
    )
