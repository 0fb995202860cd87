"""What a recipe trains on: its items, pairs and held-out data."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from c3core.data.pairs import Pairs
from c3core.data.sources import LIST, expand
from c3core.data.tables import TABLES, load_table
from c3core.errors import WrongCall
from c3core.experiments.recipe import FitRecipe, PairsRecipe
from c3core.io.layout import STORE
from c3core.pipeline.fitting import checksum_of
from c3core.registry.discovery import registered
from c3core.store.store import Store


def items_of(recipe: FitRecipe, folder: Path) -> dict[str, list[Any] | Store]:
    """The sources of a recipe's `items` by modality."""
    return {modality: sources_of(recipe, modality, named, folder) for modality, named in recipe.items.items()}


def sources_of(recipe: FitRecipe, modality: str, named: str | Sequence[str], folder: Path) -> list[Any] | Store:
    """The sources that a recipe names: a store, a plugin's table, or inputs as for `c3 embed`, relative to `folder`."""
    names = [named] if isinstance(named, str) else list(named)
    if not names:
        raise WrongCall(f"the items of {modality} name no input. Name files, or leave {modality} out.")
    prefix = names[0].partition(":")[0]
    if len(names) == 1 and os.path.isfile(folder / names[0] / STORE):
        return Store.open(folder / names[0])
    if prefix in registered("table"):
        return [source for name in names for source in load_table(name).column(modality)]
    text = modality == "text"
    inputs = [_input(folder, name, text=text) for name in names]
    sources = [source.source for source in expand(inputs, root=recipe.root_from(folder), text=text)]
    return sources if text else list(dict.fromkeys(sources))  # a table names a photo once for each of its captions


def validation_of(recipe: FitRecipe, modality: str, folder: Path) -> Pairs | list[Any] | Store | None:
    """The held-out pairs of a recipe, or its held-out sources of the decoder's modality."""
    if recipe.validation is None:
        return None
    if isinstance(recipe.validation, PairsRecipe):
        return recipe.validation.load(folder, recipe.root_from(folder))
    return sources_of(recipe, modality, recipe.validation, folder)


def data_checksums(recipe: FitRecipe, modality: str, folder: Path, items: Mapping[str, Any]) -> dict[str, Any]:
    """The size and checksum of each part of the data. `modality` is the decoder's."""
    pairs = recipe.pairs.load(folder, recipe.root_from(folder)) if recipe.pairs else None
    parts = {**items, "pairs": pairs, "validation": validation_of(recipe, modality, folder)}
    return {name: _count_and_checksum(part) for name, part in parts.items() if part is not None}


def _count_and_checksum(part: Pairs | Sequence[Any] | Store) -> str:
    count = len(part.source) if isinstance(part, Pairs) else len(part)
    return f"{count} items, checksum {checksum_of(part)}"


def _input(folder: Path, name: str, *, text: bool) -> str:
    """An input of a recipe: a path relative to `folder`, or a sentence as it is."""
    path = str(folder / name)
    if not text or os.path.exists(path) or os.path.exists(path.rpartition(":")[0]) or glob.glob(path, recursive=True):
        return path
    if any(letter.isspace() for letter in name) and not name.lower().endswith((LIST, *TABLES)):
        return name
    raise WrongCall(f"{path} does not exist. Check the spelling, or put a text of one word into a .txt list.")
