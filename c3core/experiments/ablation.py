"""Fit and score one recipe with several bridges and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from c3core.bridges.presets import PRESETS
from c3core.data.fingerprint import checksum
from c3core.data.tables import load_table
from c3core.errors import C3Error, WrongCall
from c3core.experiments.evaluation import evaluate, input_column
from c3core.experiments.fit import build, fit_recipe
from c3core.experiments.inputs import data_checksums, items_of
from c3core.experiments.recipe import FitRecipe
from c3core.io.files import read_json, write_json
from c3core.io.layout import path_of
from c3core.metrics.custom import load_metrics
from c3core.pipeline.pipeline import load_pipeline
from c3core.registry.discovery import entry
from c3core.registry.factory import load_bridge, options_taken
from c3core.runtime.devices import processes
from c3core.training.options import TrainingOptions

SCORES = "scores.json"  # in the folder of each run of an ablation
EMBEDDINGS = "embeddings"  # the folder that the runs share
SHOWN = ("cider", "bleu4", "bleu1", "rouge_l", "r1", "fid", "kid_mean")


def ablate(
    recipe: FitRecipe,
    table: str,
    out: Path,
    *,
    bridges: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    generation: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Fit and score the recipe with each bridge and each seed: {"rows": one a bridge, mean and std, "runs": one a run}.

    Embeddings are made once and shared. A run that is done already (its `scores.json` is there) is not done again, but
    scored anew where other `metrics` (those of `evaluate`) are asked for, or the table holds something else than
    before. Options of the recipe's bridge are passed to each that has them.
    """
    out, folder = path_of(out), path_of(folder)
    if recipe.start is not None:
        raise WrongCall("an ablation trains from scratch: give `space` in the recipe, not `start`.")
    # What is wrong is said before hours of training, not after.
    for name, several in (("bridge", bridges), ("seed", seeds)):
        if len(set(several)) < len(several):
            raise WrongCall(f"a {name} is named twice: its runs would be one, counted twice.")
    scored = load_table(table, root=recipe.root_from(folder))
    for bridge in bridges:
        load_bridge(bridge, **options_for(bridge, recipe.bridge.options))
    first = build(recipe, folder)
    first.decoder.check_options(generation)
    load_metrics(first.decoder, input_column(first, scored), metrics)
    assert recipe.training is not None  # it is with `space`
    trainings = {seed: TrainingOptions.of({**recipe.training.model_dump(), "seed": seed}) for seed in seeds}
    items = items_of(recipe, folder)
    trained_on = data_checksums(recipe, first.decoder.modality, folder, items)
    by = {"metrics": sorted(set(metrics)), "rows": scored.rows, "checksum": checksum(chain(*scored.columns.values()))}
    runs = []
    for bridge in bridges:
        for seed in seeds:
            one_out = out / f"{bridge}-{seed}"
            one = recipe.model_copy(deep=True)
            one.bridge = type(recipe.bridge)(name=bridge, **options_for(bridge, recipe.bridge.options))
            one.training = trainings[seed]
            asked = {
                "recipe": one.model_dump(mode="json"),
                "data": trained_on,
                "table": table,
                "options": dict(generation or {}),
            }
            done = _done(one_out, asked)
            if done is None:
                fit_recipe(one, one_out, folder=folder, items=items, embeddings=out / EMBEDDINGS, quiet=quiet)
                processes().wait_for_everyone()  # the first one saves
            if done is None or done.get("by") != by:  # which needs no other training
                pipeline = load_pipeline(one_out, device=recipe.device, space=first.space)  # always as saved
                scores = evaluate(pipeline, scored, generation=generation, metrics=metrics)
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


def options_for(bridge: str, options: Mapping[str, Any]) -> dict[str, Any]:
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
