"""Fit a pipeline by a recipe: `c3 fit`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from c3core.errors import WrongCall
from c3core.experiments.inputs import data_checksums, groups_of, items_of, pairs_of, validation_of
from c3core.experiments.recipe import FitRecipe
from c3core.io.files import sha256
from c3core.io.hub import is_hub_name
from c3core.io.layout import PIPELINE, SPACE, path_of, without_folders
from c3core.pipeline.loading import pipeline_folder
from c3core.pipeline.manifest import read_manifest
from c3core.pipeline.pipeline import Pipeline, load_pipeline
from c3core.registry.discovery import registered
from c3core.registry.factory import load_bridge, load_decoder
from c3core.runtime.devices import processes
from c3core.spaces.loading import load_space, space_folder
from c3core.training.run_folder import has_finished, is_finished, mark_finished

RUN = "run"  # in the folder of a pipeline: the checkpoints, metrics and embeddings of its training


def fit_recipe(
    recipe: FitRecipe,
    out: Path,
    *,
    folder: Path,
    items: Mapping[str, Any] | None = None,
    embeddings: Path | None = None,
    quiet: bool = False,
) -> Pipeline:
    """Fit the pipeline of a recipe, save it to the folder `out`, and return it.

    Paths in the recipe are relative to `folder`. `out/run` keeps what a killed run resumes from. If `out` holds the
    finished pipeline of an equal recipe and data, it is loaded and nothing is trained. `items` and `embeddings` are
    those of `Pipeline.fit`. Of several processes only the main one saves and shows progress.

    Raises `WrongCall` for a wrong recipe, and if `out` holds a run of another recipe or of other data.
    """
    out, folder = path_of(out), path_of(folder)
    items = items or items_of(recipe, folder)
    if is_fitted(recipe, out, folder=folder, items=items):
        return load_pipeline(out, device=recipe.device, precision=recipe.precision)
    pipeline, is_main_process = build(recipe, folder), processes().is_main_process
    modality, quiet = pipeline.decoder.modality, quiet or not is_main_process
    if recipe.training is None:
        pipeline.extend(items, folder=out / RUN, quiet=quiet)
    else:
        pipeline.fit(
            items,
            pairs=pairs_of(recipe, recipe.pairs, folder),
            validation=validation_of(recipe, modality, folder),
            bridge="keep" if _keeps_bridge(recipe) else "fit",
            groups=groups_of(recipe, modality, pipeline.space.modalities, folder),
            training=recipe.training,
            folder=out / RUN,
            embeddings=embeddings,
            device=recipe.device,
            quiet=quiet,
        )
    noted = {"items", "pairs", "start", "training"}
    if recipe.start:
        noted |= {"bridge", "decoder"} & recipe.model_fields_set
    pipeline.trained_on[-1] |= {"recipe": without_folders(recipe.model_dump(mode="json", include=noted))}
    if is_main_process:
        pipeline.save_pretrained(out)
        mark_finished(out / RUN, _describe(recipe, modality, folder, items), out / PIPELINE)
    return pipeline


def is_fitted(recipe: FitRecipe, out: Path, *, folder: Path, items: Mapping[str, Any] | None = None) -> bool:
    """Whether `fit_recipe` has nothing left to do, told without loading a model.

    Raises `WrongCall` if `out` holds the finished pipeline of another recipe or of other data.
    """
    if not has_finished(out / RUN, out / PIPELINE):
        return False
    modality = read_manifest(out).decoder.modality
    described = _describe(recipe, modality, folder, items or items_of(recipe, folder))
    return is_finished(out / RUN, described, out / PIPELINE)


def build(recipe: FitRecipe, folder: Path) -> Pipeline:
    """The pipeline of a recipe before training: a new one, or the one of `start`."""
    where: dict[str, Any] = {"device": recipe.device, "precision": recipe.precision}
    if recipe.features is not None:
        where["features"] = folder / recipe.features
    if recipe.start is not None:
        start = _start_of(recipe.start, folder)
        return _further_pipeline(recipe, start, load_pipeline(start, **where))
    assert recipe.space is not None
    space = load_space(_space_of(folder, recipe.space), **where)
    bridge = load_bridge(recipe.bridge.name, **recipe.bridge.options)
    size, options = bridge.condition_dim(space.dim), {"device": recipe.device, **recipe.decoder.options}
    return Pipeline(space, bridge, load_decoder(recipe.decoder.name, condition_dim=size, **options))


def _describe(recipe: FitRecipe, modality: str, folder: Path, items: Mapping[str, Any]) -> dict[str, Any]:
    """All that a fitted pipeline depends on. A finished run has nothing left to do if it is equal."""
    bases = {}
    if recipe.start is not None:
        bases["start"] = pipeline_folder(_start_of(recipe.start, folder)) / PIPELINE
    elif recipe.space is not None:
        bases["space"] = Path(_space_of(folder, recipe.space)) / SPACE
    return {
        **recipe.model_dump(mode="json", exclude={"device"}),
        "data": data_checksums(recipe, modality, folder, items),
        "bases": {name: sha256(path) for name, path in bases.items() if path.is_file()},
    }


def _further_pipeline(recipe: FitRecipe, start: str | Path, pipeline: Pipeline) -> Pipeline:
    """The loaded pipeline `start` with the recipe's bridge and decoder options."""
    if "decoder" in recipe.model_fields_set:
        if recipe.decoder.name != pipeline.decoder.name:
            raise WrongCall(f"decoder: that of {start} is {pipeline.decoder.name!r}. Only its options can change.")
        pipeline.decoder.reconfigure(recipe.decoder.options)
    if _keeps_bridge(recipe):
        return pipeline
    fitted_on = recipe.items.keys() | ({recipe.pairs.source, recipe.pairs.target} if recipe.pairs else set())
    if missing := ", ".join(sorted(set(pipeline.bridge.modalities) - fitted_on)):
        raise WrongCall(f"bridge: that of {recipe.start} also takes {missing}. Add items of {missing}.")
    return pipeline.with_bridge(load_bridge(recipe.bridge.name, **recipe.bridge.options))


def _keeps_bridge(recipe: FitRecipe) -> bool:
    return recipe.start is not None and "bridge" not in recipe.model_fields_set


def _start_of(name: str, folder: Path) -> str | Path:
    """The name of a pipeline that a plugin ships or that is on the hub, or a folder relative to `folder`."""
    path = folder / name
    on_hub = not path.parent.is_dir() and is_hub_name(name)
    return name if on_hub or name in registered("pipeline") else path


def _space_of(folder: Path, name: str) -> str:
    """A space's folder, relative to `folder` or downloaded from the hub, or the name of a space."""
    path = space_folder(name, folder)
    if os.path.isfile(path / SPACE):
        return str(path)
    if name.partition(":")[0] in registered("space"):
        return name
    if os.path.isdir(name) and not os.path.isdir(path):
        raise WrongCall(f"{path} is no folder. Paths in a recipe are relative to the recipe.")
    return str(path) if os.path.isdir(path) or (os.sep in name and ":" not in name) else name
