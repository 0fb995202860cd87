"""Experiments from recipes: fit one pipeline, or ablate bridges over seeds into one table."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from inspect import signature
from itertools import chain
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from c3core.bridges.presets import PRESETS
from c3core.contracts import Decoder
from c3core.devices import processes
from c3core.embedding import checksum
from c3core.errors import C3Error, WrongCall
from c3core.evaluation import evaluate, input_column
from c3core.files import read_json, write_json
from c3core.fitting import mark_of
from c3core.loading import load_bridge, load_decoder, load_pipeline, load_space, load_table, options_taken
from c3core.metrics.plugins import named_metrics
from c3core.pairs import Pairs
from c3core.pipeline import Pipeline
from c3core.recipes import FitRecipe, PairsRecipe
from c3core.registry import entry, registered
from c3core.sources import LIST, expand
from c3core.stores import Store
from c3core.tables import TABLES
from c3core.training_options import TrainingOptions

SCORES = "scores.json"  # in the folder of each run of an ablation
EMBEDDINGS = "embeddings"  # the folder that the runs share
SHOWN = ("cider", "bleu4", "bleu1", "rouge_l", "r1", "fid", "kid_mean")


def sources_of(recipe: FitRecipe, modality: str, named: str | Sequence[str], folder: Path) -> list[Any] | Store:
    """What a recipe's `items` name: a store, a plugin's table, or inputs as `c3 embed` takes them; paths from `folder`."""
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
                raise WrongCall(f"start has a decoder {pipeline.decoder.name!r}, and the recipe one named {recipe.decoder.name!r}.")
            pipeline.decoder.tune(recipe.decoder.options)
        if _keeps_bridge(recipe):
            return pipeline
        columns = {recipe.pairs.source, recipe.pairs.target} if recipe.pairs else set()
        if lost := set(pipeline.bridge.modalities) - recipe.items.keys() - columns:
            raise WrongCall(
                f"the bridge of {recipe.start} knows {', '.join(sorted(lost))} too. One fitted on this recipe's items would not:"
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


def fit(
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
    noted = {"items", "pairs", "start", "training"} | ({"bridge", "decoder"} & recipe.model_fields_set if recipe.start else set())
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
        validation=_validation(recipe, pipeline.decoder, folder),
        bridge="keep" if _keeps_bridge(recipe) else "fit",
        options=recipe.training,
        folder=out / "run",
        embeddings=embeddings,
        device=recipe.device,
        quiet=quiet,
    )


def _validation(recipe: FitRecipe, decoder: Decoder, folder: Path) -> Pairs | list[Any] | Store | None:
    """What the recipe holds out."""
    if recipe.validation is None:
        return None
    if isinstance(recipe.validation, PairsRecipe):
        return recipe.validation.load(folder, recipe.root_from(folder))
    return sources_of(recipe, decoder.modality, recipe.validation, folder)


def ablate(
    recipe: FitRecipe,
    table: str,
    out: Path,
    *,
    bridges: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    options: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Fit and score the recipe with each bridge and each seed: {"rows": one a bridge, mean and std, "runs": one a run}.

    Embeddings are made once and shared. A run that is done already (its `scores.json` is there) is not done again, but scored anew
    where other `metrics` (those of `evaluate`) are asked for, or the table holds something else than before. Options of the
    recipe's bridge are passed to each that has them.
    """
    if recipe.start is not None:
        raise WrongCall("an ablation trains from scratch: give `space` in the recipe, not `start`.")
    # What is wrong is said before hours of training, not after.
    for name, several in (("bridge", bridges), ("seed", seeds)):
        if len(set(several)) < len(several):
            raise WrongCall(f"a {name} is named twice: its runs would be one, counted twice.")
    scored = load_table(table, root=recipe.root_from(folder))
    for bridge in bridges:
        load_bridge(bridge, **_options_for(bridge, recipe.bridge.options))
    first = build(recipe, folder)
    first.decoder.options(options)
    named_metrics(first.decoder, input_column(first, scored), metrics)
    assert recipe.training is not None  # it is with `space`
    trainings = {seed: TrainingOptions.of({**recipe.training.model_dump(), "seed": seed}) for seed in seeds}
    items = {modality: sources_of(recipe, modality, named, folder) for modality, named in recipe.items.items()}
    trained_on = _mark(recipe, first.decoder, items, folder)
    by = {"metrics": sorted(set(metrics)), "rows": scored.rows, "checksum": checksum(chain(*scored.columns.values()))}
    runs = []
    for bridge in bridges:
        for seed in seeds:
            one_out = out / f"{bridge}-{seed}"
            one = recipe.model_copy(deep=True)
            one.bridge = type(recipe.bridge)(name=bridge, **_options_for(bridge, recipe.bridge.options))
            one.training = trainings[seed]
            asked = {"recipe": one.model_dump(mode="json"), "data": trained_on, "table": table, "options": dict(options or {})}
            done = _done(one_out, asked)
            if done is None:
                fit(one, one_out, folder=folder, items=items, embeddings=out / EMBEDDINGS, quiet=quiet)
                processes().wait_for_everyone()  # the first one saves
            if done is None or done.get("by") != by:  # which needs no other training
                pipeline = load_pipeline(one_out, device=recipe.device, space=first.space)  # always as saved
                scores = evaluate(pipeline, scored, options=options, metrics=metrics)
                done = {"bridge": bridge, "seed": seed, **scores.to_dict(), "by": by, "asked": asked}
                write_json(one_out / SCORES, done)
            runs.append({name: value for name, value in done.items() if name != "asked"})
    result = {"rows": [_summary(bridge, runs, every=bool(metrics)) for bridge in bridges], "runs": runs}
    write_json(out / "results.json", result)
    return result


def _done(out: Path, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The scores of a run that was trained before; a `C3Error` says that it was another one."""
    path = out / SCORES
    if not path.exists():
        return None
    done: dict[str, Any] = read_json(path)
    if done.get("asked") != asked:
        raise C3Error(
            f"{out} holds a run of another recipe, data, table or options. Choose another --out, or delete it and"
            f" {out.parent / EMBEDDINGS}."
        )
    return done


def _mark(recipe: FitRecipe, decoder: Decoder, items: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What the runs are trained on, told apart from anything else under the same names."""
    mark = {modality: mark_of(given) for modality, given in items.items()}
    if recipe.pairs is not None:
        mark["pairs"] = mark_of(recipe.pairs.load(folder, recipe.root_from(folder)))
    held_out = _validation(recipe, decoder, folder)
    if held_out is not None:
        mark["validation"] = mark_of(held_out)
    return mark


def _options_for(bridge: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that this bridge has a part for: a noise level means nothing to C¹."""
    known = PRESETS[bridge].options() if bridge in PRESETS else options_taken(entry("bridge", bridge).load(), given=1)
    return {name: value for name, value in options.items() if known is None or name in known}


def _summary(bridge: str, runs: Sequence[Mapping[str, Any]], *, every: bool) -> dict[str, Any]:
    """Mean and std over a bridge's runs: of the figures that papers show, or of every one where metrics were named."""
    own = [run for run in runs if run["bridge"] == bridge]
    row: dict[str, Any] = {"bridge": bridge, "seeds": len(own)}
    figures = dict.fromkeys(name for run in own for name, value in run.items() if isinstance(value, float))
    for metric in figures if every else SHOWN:
        values = [run[metric] for run in own if metric in run]
        if values:
            row[metric] = {"mean": mean(values), "std": stdev(values) if len(values) > 1 else None}
    return row
