"""What a recipe trains on: its items, pairs and held-out data."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from c3core.data.input import parse_input
from c3core.data.items import load_items
from c3core.data.pairs import Pairs
from c3core.data.tables import TEXT, key_of, load_table
from c3core.errors import WrongCall
from c3core.experiments.recipe import FitRecipe, PairsRecipe
from c3core.pipeline.dataset import checksum_of
from c3core.store.store import Store


def items_of(recipe: FitRecipe, folder: Path) -> dict[str, list[Any] | Store]:
    """The sources of a recipe's `items` by modality."""
    return {modality: sources_of(recipe, modality, named, folder) for modality, named in recipe.items.items()}


def sources_of(recipe: FitRecipe, modality: str, named: str | Sequence[str], folder: Path) -> list[Any] | Store:
    """The items that a recipe names, as `load_items` has them. Paths are relative to `folder`."""
    if not named:
        raise WrongCall(f"the items of {modality} name no input. Name files, or leave {modality} out.")
    items = load_items(named, modality, folder=folder, root=recipe.root_from(folder))
    if isinstance(items, Store):
        return items
    if modality == TEXT:
        return list(islice(items, recipe.limit))
    distinct = {key_of(item): item for item in items}  # a table names a photo once for each of its captions
    return list(islice(distinct.values(), recipe.limit))


def groups_of(recipe: FitRecipe, modality: str, known: Sequence[str], folder: Path) -> list[Hashable] | None:
    """The item that each text of a recipe belongs to, if its texts are one column of a table that tells it.

    That is the table's column `item`, or else one of the `known` modalities: a photo's path stands beside each of its
    captions.
    """
    named = recipe.items.get(modality, [])
    names = [named] if isinstance(named, str) else named
    if modality != TEXT or len(names) != 1:
        return None
    given = parse_input(names[0], folder)
    if given.kind not in ("column", "table"):
        return None
    table = load_table(given.path, folder=folder if given.kind == "table" else "", root=recipe.root_from(folder))
    others = set(table.columns) - {table.named(given.column or modality)}
    item = next((other for other in ("item", *known) if other in others), None)
    return None if item is None else [key_of(one) for one in table.column(item)][: recipe.limit]


def pairs_of(recipe: FitRecipe, named: PairsRecipe | None, folder: Path) -> Pairs | None:
    """The pairs of a recipe, to train on or held out."""
    return None if named is None else named.load(folder, recipe.root_from(folder), limit=recipe.limit)


def validation_of(recipe: FitRecipe, modality: str, folder: Path) -> Pairs | list[Any] | Store | None:
    """The held-out pairs of a recipe, or its held-out sources of the decoder's modality."""
    if recipe.validation is None:
        return None
    if isinstance(recipe.validation, PairsRecipe):
        return pairs_of(recipe, recipe.validation, folder)
    return sources_of(recipe, modality, recipe.validation, folder)


def data_checksums(recipe: FitRecipe, modality: str, folder: Path, items: Mapping[str, Any]) -> dict[str, Any]:
    """The size and checksum of each part of the data. `modality` is the decoder's."""
    pairs = pairs_of(recipe, recipe.pairs, folder)
    parts = {**items, "pairs": pairs, "validation": validation_of(recipe, modality, folder)}
    return {name: _count_and_checksum(part) for name, part in parts.items() if part is not None}


def _count_and_checksum(part: Pairs | Sequence[Any] | Store) -> str:
    count = len(part.source) if isinstance(part, Pairs) else len(part)
    return f"{count} items, checksum {checksum_of(part)}"
