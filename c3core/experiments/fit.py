"""Experiments from recipes: fit one pipeline, or ablate bridges over seeds into one table."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from c3core.contracts import Decoder
from c3core.data.pairs import Pairs
from c3core.data.sources import LIST, expand
from c3core.data.tables import TABLES, load_table
from c3core.errors import WrongCall
from c3core.experiments.recipe import FitRecipe, PairsRecipe
from c3core.pipeline.loading import load_pipeline
from c3core.pipeline.pipeline import Pipeline
from c3core.registry.discovery import entry, registered
from c3core.registry.factory import load_bridge, load_decoder
from c3core.runtime.devices import processes
from c3core.spaces.loading import load_space
from c3core.store.store import Store


def sources_of(recipe: FitRecipe, modality: str, named: str | Sequence[str], folder: Path) -> list[Any] | Store:
    """What a recipe's `items` name: a store, a plugin's table, or inputs as `c3 embed` takes them; paths from
    `folder`.
    """
    names = [named] if isinstance(named, str) else list(named)
    if not names:
        raise WrongCall(f"the items of {modality} name no input. Name files, or leave {modality} out.")
    prefix = names[0].partition(":")[0]
    if len(names) == 1 and os.path.isfile(folder / names[0] / "store.json"):
        return Store.open(folder / names[0])
    if prefix in registered("table"):
        return [source for name in names for source in load_table(name).column(modality)]
    text = modality == "text"
    inputs = [_input(folder, name, text=text) for name in names]
    sources = [source.source for source in expand(inputs, root=recipe.root_from(folder), text=text)]
    # A table of captions names a file once a caption, but it is one item.
    return sources if text else list(dict.fromkeys(sources))


def _input(folder: Path, name: str, *, text: bool) -> str:
    """What a recipe names, from its folder; a sentence stays as it is written."""
    path = str(folder / name)
    if not text or os.path.exists(path) or os.path.exists(path.rpartition(":")[0]) or glob.glob(path, recursive=True):
        return path
    if any(letter.isspace() for letter in name) and not name.lower().endswith((LIST, *TABLES)):
        return name
    raise WrongCall(f"{path} does not exist. Check the spelling; a sentence of one word needs a list of its own.")


def _keeps_bridge(recipe: FitRecipe) -> bool:
    return recipe.start is not None and "bridge" not in recipe.model_fields_set


def build(recipe: FitRecipe, folder: Path) -> Pipeline:
    """The pipeline of a recipe, not yet trained; or the one that it starts from."""
    if recipe.start is not None:
        start = recipe.start if recipe.start in registered("pipeline") else folder / recipe.start
        pipeline = load_pipeline(start, device=recipe.device, precision=recipe.precision)
        if "decoder" in recipe.model_fields_set:
            if recipe.decoder.name != pipeline.decoder.name:
                raise WrongCall(
                    f"start has a decoder {pipeline.decoder.name!r}, and the recipe one named {recipe.decoder.name!r}."
                )
            pipeline.decoder.tune(recipe.decoder.options)
        if _keeps_bridge(recipe):
            return pipeline
        columns = {recipe.pairs.source, recipe.pairs.target} if recipe.pairs else set()
        if lost := set(pipeline.bridge.modalities) - recipe.items.keys() - columns:
            raise WrongCall(
                f"the bridge of {recipe.start} knows {', '.join(sorted(lost))} too. One fitted on this recipe's items"
                " would not:"
                " name items of each."
            )
        return pipeline.with_bridge(load_bridge(recipe.bridge.name, **recipe.bridge.options))
    assert recipe.space is not None
    space = load_space(_space_from(folder, recipe.space), device=recipe.device, precision=recipe.precision)
    bridge = load_bridge(recipe.bridge.name, **recipe.bridge.options)
    takes = signature(entry("decoder", recipe.decoder.name).load()).parameters
    own = {"device": recipe.device} if "device" in takes and recipe.device != "auto" else {}
    decoder = load_decoder(recipe.decoder.name, space=space, **{**own, **recipe.decoder.options})
    return Pipeline(space, bridge, decoder)


def _space_from(folder: Path, name: str) -> str:
    """A space's folder, from the recipe's; or a name. `load_space` says what a folder lacks."""
    if os.path.isfile(folder / name / "space.json"):
        return str(folder / name)
    if name.partition(":")[0] in registered("space"):
        return name
    if os.path.isdir(name) and not os.path.isdir(folder / name):
        raise WrongCall(f"{folder / name} is no folder. The paths of a recipe start at its own.")
    return str(folder / name) if os.path.isdir(folder / name) or (os.sep in name and ":" not in name) else name


def fit_recipe(
    recipe: FitRecipe,
    out: Path,
    *,
    folder: Path,
    items: Mapping[str, Any] | None = None,
    embeddings: Path | None = None,
    quiet: bool = False,
) -> Pipeline:
    """Fit a recipe's pipeline and save it to `out`; `out/run` keeps what a killed run continues from.

    `items` and `embeddings` are as in `Pipeline.fit`. Of several processes the first one speaks and saves.
    """
    first = processes().is_main_process
    given = items or {modality: sources_of(recipe, modality, named, folder) for modality, named in recipe.items.items()}
    pipeline = build(recipe, folder)
    quiet = quiet or not first
    if recipe.training is None:
        pipeline.extend(given, folder=out / "run", quiet=quiet)
    else:
        _train(pipeline, recipe, given, out, folder=folder, embeddings=embeddings, quiet=quiet)
    noted = {"items", "pairs", "start", "training"} | (
        {"bridge", "decoder"} & recipe.model_fields_set if recipe.start else set()
    )
    pipeline.trained_on[-1] |= {"recipe": recipe.model_dump(mode="json", include=noted)}
    if first:
        pipeline.save(out)
    return pipeline


def _train(
    pipeline: Pipeline,
    recipe: FitRecipe,
    items: Mapping[str, Any],
    out: Path,
    *,
    folder: Path,
    embeddings: Path | None,
    quiet: bool,
) -> None:
    pipeline.fit(
        items,
        pairs=recipe.pairs.load(folder, recipe.root_from(folder)) if recipe.pairs else None,
        validation=validation_of(recipe, pipeline.decoder, folder),
        bridge="keep" if _keeps_bridge(recipe) else "fit",
        options=recipe.training,
        folder=out / "run",
        embeddings=embeddings,
        device=recipe.device,
        quiet=quiet,
    )


def validation_of(recipe: FitRecipe, decoder: Decoder, folder: Path) -> Pairs | list[Any] | Store | None:
    """What the recipe holds out."""
    if recipe.validation is None:
        return None
    if isinstance(recipe.validation, PairsRecipe):
        return recipe.validation.load(folder, recipe.root_from(folder))
    return sources_of(recipe, decoder.modality, recipe.validation, folder)
