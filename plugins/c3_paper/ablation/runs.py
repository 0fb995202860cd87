"""Fit and score one recipe with several bridges and seeds, and with several fractions of its pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from c3_paper.ablation.published import load_published, published_row
from c3core import TrainingOptions, load_bridge, load_pipeline, load_table
from c3core.bridges import PRESETS, C3Bridge
from c3core.data import checksum
from c3core.errors import C3Error, WrongCall
from c3core.experiments import Evaluator, FitRecipe, build, data_checksums, find_input, fit_recipe, items_of
from c3core.io import PIPELINE, path_of, read_json, write_json
from c3core.metrics import load_metrics
from c3core.registry import entry, options_taken
from c3core.runtime import processes

SCORES = "scores.json"  # in the folder of each run of an ablation
EMBEDDINGS = "embeddings"  # the folder that the runs share
SHOWN = ("cider", "bleu4", "bleu1", "meteor", "rouge_l", "spice", "r1", "fid", "kid_mean")


@dataclass(frozen=True)
class Run:
    """One run of an ablation. `fraction` is the share of the recipe's pairs that it trains on, if that is varied."""

    bridge: str
    seed: int
    fraction: float | None = None

    @property
    def name(self) -> str:
        """The name of its folder.

        >>> Run("c3", 0).name, Run("c3", 1, fraction=0.05).name
        ('c3-0', 'c3-0.05-1')
        """
        return "-".join(str(part) for part in (self.bridge, self.fraction, self.seed) if part is not None)

    def of(self, recipe: FitRecipe) -> FitRecipe:
        """The recipe of this run. `start` names an ablation: this run goes on from its run of that bridge and seed."""
        own = recipe.model_copy(deep=True)
        own.training = TrainingOptions.of({**dict(recipe.training), "seed": self.seed})  # type: ignore[arg-type]
        if self.fraction is not None and own.pairs is not None:
            own.pairs.fraction, own.pairs.seed = self.fraction, self.seed
        if recipe.start is not None:
            own.start = str(Path(recipe.start) / Run(self.bridge, self.seed).name)
        else:
            own.bridge = type(recipe.bridge)(name=self.bridge, **options_for(self.bridge, recipe.bridge.options))
        return own

    def embeddings(self, out: Path) -> Path:
        """Where its embeddings are: runs of the same items share them."""
        if self.fraction is None or self.fraction == 1:
            return out / EMBEDDINGS
        return out / EMBEDDINGS / f"{self.fraction}-{self.seed}"


def ablate(
    recipe: FitRecipe,
    table: str,
    out: Path,
    *,
    bridges: Sequence[str],
    seeds: Sequence[int],
    folder: Path,
    fractions: Sequence[float] = (),
    against: str | None = None,
    generation: Mapping[str, Any] | None = None,
    metrics: Sequence[str] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Fit and score the recipe with each bridge and each seed: {"rows": one a bridge, mean and std, "runs": one a run}.

    Embeddings are made once and shared. A run that is done already (its `scores.json` is there) is not done again, but
    scored anew if other `metrics` (those of `evaluate`) are asked for, or the table holds something else than before.
    Options of the recipe's bridge are passed to each that has them.

    With `fractions` each bridge and seed is run with each share of the recipe's pairs, drawn by the seed (Table 5 of
    the C3 paper). `start` in the recipe names an earlier ablation: each run trains its run of that bridge and seed
    further. `limit` cuts the table, too.
    `against` names published figures: each row gets theirs and the difference, as `paper` and `difference`.
    """
    out, folder = path_of(out), path_of(folder)
    # What is wrong is said before hours of training, not after.
    for name, several in (("bridge", bridges), ("seed", seeds), ("fraction", fractions)):
        if len(set(several)) < len(several):
            raise WrongCall(f"a {name} is named twice: its runs would be one, counted twice.")
    if fractions and recipe.pairs is None:
        raise WrongCall("fractions are those of the recipe's pairs: give it pairs.")
    if wrong := [fraction for fraction in fractions if not 0 < fraction <= 1]:
        raise WrongCall(f"a fraction is above 0 and at most 1, not {wrong[0]}.")
    runs = [Run(*each) for each in product(bridges, seeds, fractions or (None,))]
    recipes = {run: _recipe_of(run, recipe, folder) for run in runs}
    published = load_published(against) if against else []
    scored = load_table(table, root=recipe.root_from(folder)).head(recipe.limit)
    first = build(recipes[runs[0]], folder)
    first.decoder.check_options(generation)
    modality = find_input(first, scored, scored.named(first.decoder.modality))
    load_metrics(first.decoder, modality, metrics)
    if recipe.start is None:
        _check_means(modality, recipe, bridges, folder)
    items = items_of(recipe, folder)
    by = {"metrics": sorted(set(metrics)), "rows": scored.rows, "checksum": checksum(chain(*scored.columns.values()))}
    results, checksums = [], dict[Any, dict[str, Any]]()
    evaluator: Evaluator | None = None  # it embeds the table once for all runs
    for run, own in recipes.items():
        share = None if run.fraction is None else (run.fraction, run.seed)  # runs of one share have the same data
        if share not in checksums:
            checksums[share] = data_checksums(own, first.decoder.modality, folder, items)
        asked = {
            "recipe": own.model_dump(mode="json"),
            "data": checksums[share],
            "table": table,
            "options": dict(generation or {}),
        }
        run_out = out / run.name
        done = _done(run_out, asked)
        if done is None:
            fit_recipe(own, run_out, folder=folder, items=items, embeddings=run.embeddings(out), quiet=quiet)
            processes().wait_for_everyone()  # the first one saves
        if done is None or done.get("by") != by:  # which needs no other training
            pipeline = load_pipeline(run_out, device=recipe.device, space=first.space)  # always as saved
            evaluator = (
                evaluator.of(pipeline)
                if evaluator
                else Evaluator(pipeline, scored, generation=generation, metrics=metrics)
            )
            done = {**_described(run), **evaluator.score().to_dict(), "by": by, "asked": asked}
            write_json(run_out / SCORES, done)
        results.append({name: value for name, value in done.items() if name != "asked"})
    rows = []
    for bridge, fraction in product(bridges, fractions or (None,)):
        row = _summary(Run(bridge, seeds[0], fraction), results, every=bool(metrics))
        if against:
            row |= _compared(row, published_row(published, bridge=bridge, fraction=fraction, modality=modality))
        rows.append(row)
    result = {"rows": rows, "runs": results}
    write_json(out / "results.json", result)
    return result


def _recipe_of(run: Run, recipe: FitRecipe, folder: Path) -> FitRecipe:
    """The recipe of a run. Raises `WrongCall` for a wrong bridge, or if there is nothing to start from."""
    if recipe.start is None:
        load_bridge(run.bridge, **options_for(run.bridge, recipe.bridge.options))
        return run.of(recipe)
    if "bridge" in recipe.model_fields_set or recipe.training is None:
        raise WrongCall(
            "an ablation with `start` trains each of its runs further with its own bridge: leave bridge out."
        )
    own = run.of(recipe)
    if not (folder / str(own.start) / PIPELINE).is_file():
        raise WrongCall(
            f"{folder / str(own.start)} is no pipeline. In an ablation `start` names the --out of an earlier one with"
            f" the same bridges and seeds."
        )
    return own


def _check_means(modality: str, recipe: FitRecipe, bridges: Sequence[str], folder: Path) -> None:
    """Refuse a bridge that subtracts the mean of a modality which the recipe has no items of."""
    known = {*recipe.items}
    if recipe.pairs is not None and modality not in known:
        known.add(recipe.pairs.load(folder, recipe.root_from(folder), limit=recipe.limit).modality)
    for name in bridges:
        bridge = load_bridge(name, **options_for(name, recipe.bridge.options))
        if modality not in known and isinstance(bridge, C3Bridge) and bridge.collapse.needs:
            raise WrongCall(f"bridge {name!r} needs the mean of {modality}. Add items of {modality} to the recipe.")


def _described(run: Run) -> dict[str, Any]:
    return {name: value for name, value in vars(run).items() if value is not None}


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


def _summary(run: Run, results: Sequence[Mapping[str, Any]], *, every: bool) -> dict[str, Any]:
    """Mean and std over the seeds of a run: of the figures that papers show, or of every one if metrics were named."""
    described = _described(run)
    del described["seed"]
    own = [result for result in results if described.items() <= result.items()]
    row: dict[str, Any] = {**described, "seeds": len(own)}
    figures = dict.fromkeys(
        name for result in own for name, value in result.items() if isinstance(value, float) and name not in described
    )
    for metric in figures if every else SHOWN:
        values = [result[metric] for result in own if metric in result]
        if values:
            row[metric] = {"mean": mean(values), "std": stdev(values) if len(values) > 1 else None}
    return row


def _compared(row: Mapping[str, Any], paper: Mapping[str, float]) -> dict[str, Any]:
    """The published figures of the metrics that a row has, and the row's difference to them."""
    both = {metric: value for metric, value in paper.items() if metric in row}
    return {"paper": both, "difference": {metric: row[metric]["mean"] - value for metric, value in both.items()}}
