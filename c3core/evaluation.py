"""Scoring a pipeline on a table: run it on each input, compare with the references on the input's rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from c3core.contracts import BadItem, Encoder
from c3core.errors import C3Error, WrongCall, near
from c3core.metrics.captions import METRICS, CaptionScores, caption_metrics
from c3core.metrics.embedded import EmbeddedScores, embedded_metrics
from c3core.registry import Entry, entries
from c3core.tables import Table

if TYPE_CHECKING:
    from c3core.pipeline import Pipeline

Metric = Callable[[Sequence[Any], Sequence[Any], Sequence[Sequence[Any]]], Mapping[str, float]]
RUN = {"bridge", "seed", "seeds", "asked", "metrics"}  # what an ablation writes beside the figures of a run


@dataclass
class Evaluation:
    """Outputs with their references, and the figures: of captions in the paper's units (CIDEr 93.3), of others FID, KID and R@1."""

    scores: CaptionScores | EmbeddedScores
    inputs: list[Any]
    outputs: list[Any]
    references: list[list[Any]]
    bad: list[BadItem] = field(default_factory=list)
    bad_references: list[BadItem] = field(default_factory=list)
    all_references: int = 0  # distinct ones that were looked at; captions are not
    best_of: int = 1

    @property
    def items(self) -> int:
        return len(self.outputs)

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, what they were taken with, what was left out and why, and how many items."""
        return {
            **self.scores.to_dict(),
            "items": self.items,
            "bad": len(self.bad),
            "bad_references": len(self.bad_references),
            "best_of": self.best_of,
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row a metric, for a table."""
        return [{"metric": name, "value": value} for name, value in self.scores.scores.items()]

    def remarks(self) -> list[str]:
        """The tokenisation or the encoder behind the figures, and each metric that was left out with the reason."""
        scores = self.scores
        how = (
            f"features: {scores.features}; r1: among {scores.group}"
            if isinstance(scores, EmbeddedScores)
            else f"tokeniser: {scores.tokeniser}"
        )
        chosen = (
            [f"best of {self.best_of}: the space chose, so that figures of its own encoders flatter"] if self.best_of > 1 else []
        )
        return [how, *chosen, *(f"{name}: {why}" for name, why in scores.left_out.items())]


def evaluate(
    pipeline: Pipeline,
    table: Table,
    *,
    input_column: str | None = None,
    output_column: str | None = None,
    modality: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    best_of: int = 1,
    metrics: Sequence[str] | None = None,
) -> Evaluation:
    """Run the pipeline on the inputs of a table and score its outputs against the references.

    Columns are named after modalities: the output's is the decoder's, the input's the other one that the space has, unless said
    otherwise. Rows of the same input are its references. Inputs that cannot be read are left out and listed in `bad`, references
    in `bad_references`. Outputs that are text are scored by caption metrics, any other by the embeddings that the space gives them.
    `metrics` chooses among those of captions (all, if it names none), and adds those of plugins to either.
    """
    target = pipeline.decoder.modality
    output_column = output_column or target
    if input_column is None:
        input_column = _input_column(pipeline, table, output_column)
    groups = table.grouped(by=input_column, of=output_column)
    if not groups:
        raise C3Error("the table has no rows to score.")
    modality = modality or input_column
    chosen, added = named_metrics(pipeline, modality, metrics or ())
    pipeline.check_run(options, seed=seed, best_of=best_of)
    unreadable: dict[Hashable, BadItem] = {}
    if pipeline.decoder.suffix is not None:  # before the outputs are made, which takes long
        distinct = {_key(reference): reference for _, references in groups for reference in references}
        truth, unreadable = _readable(pipeline.encoder(target), distinct)
    batches = list(pipeline.encoder(modality).encode_batches(source for source, _ in groups))
    outputs = pipeline.run(batches, modality=modality, options=options, seed=seed, best_of=best_of)
    good = [k for k, output in enumerate(outputs) if not isinstance(output, BadItem)]
    bad = [output for output in outputs if isinstance(output, BadItem)]
    if not good:
        raise C3Error(f"no input of the table could be read: {bad[0]}")
    inputs, made = [groups[k][0] for k in good], [outputs[k] for k in good]
    references = [[one for one in groups[k][1] if _key(one) not in unreadable] for k in good]
    scores: CaptionScores | EmbeddedScores
    if pipeline.decoder.suffix is None:
        scores = caption_metrics([str(output) for output in made], references, metrics=chosen or METRICS)
    else:
        encoder = pipeline.encoder(target)
        features = f"the {target} encoder of {pipeline.space.spec}"
        asked = torch.cat([batch.embeddings for batch in batches])
        scores = embedded_metrics(encoder.encode(made), truth, asked, features=features, seed=seed)
    result = Evaluation(scores, inputs, made, references, bad, [*unreadable.values()], best_of=best_of)
    result.all_references = len(distinct) if pipeline.decoder.suffix is not None else 0
    for name, metric in added.items():
        figures, why = _figures(metric, result)
        result.scores = replace(
            result.scores,
            scores={**result.scores.scores, **figures},
            left_out={**result.scores.left_out, **({name: why} if why else {})},
        )
    return result


def named_metrics(pipeline: Pipeline, modality: str, names: Sequence[str]) -> tuple[list[str], dict[str, Metric]]:
    """Of metrics by name, those of captions, and those that plugins bring, loaded; a `WrongCall` for what does not fit."""
    if isinstance(names, str):
        raise C3Error(f"metrics must be a list, not one string. Write [{names!r}].")
    target, core = pipeline.decoder.modality, METRICS if pipeline.decoder.suffix is None else ()
    brought = {found.name: found for found in entries() if found.kind == "metric"}
    for name in names:
        if name not in core and name not in brought:
            always = "" if core else " What needs no name (FID, KID, R@1) is always given."
            raise WrongCall(f"no metric of {target} is called {name!r}: {near(name, [*core, *brought])}{always}")
    added = {name: brought[name] for name in names if name not in core}
    for found in added.values():
        _check_fits(found, modality, target)
    return [name for name in names if name in core], {name: found.load() for name, found in added.items()}


def _check_fits(metric: Entry, modality: str, target: str) -> None:
    *inputs, output = metric.modalities or (target,)
    if output != target or (inputs and modality not in inputs):
        made_from = f" made from {' or '.join(inputs)}" if inputs else ""
        raise WrongCall(f"metric {metric.name!r} is of {output}{made_from}, not of {target} from {modality}.")


def _figures(metric: Metric, result: Evaluation) -> tuple[dict[str, float], str]:
    """A plugin's figures, and why some or all were left out: the others stand without them."""
    given = list(result.inputs), list(result.outputs), [list(several) for several in result.references]
    try:
        with redirect_stdout(sys.stderr):  # which is for the figures alone
            found = metric(*given)
        if not isinstance(found, Mapping):
            return {}, f"it must return a mapping of figures to numbers, not {type(found).__name__}."
        figures = {str(name): float(value) for name, value in found.items()}
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises, after outputs that took hours
        return {}, str(error) or type(error).__name__
    if twice := sorted(figures.keys() & (result.to_dict().keys() | RUN)):
        return {}, f"it names a figure that there is already: {', '.join(twice)}."
    odd = [name for name, value in figures.items() if not isfinite(value)]
    why = f"not a finite number: {', '.join(odd)}." if odd else ""
    return {name: value for name, value in figures.items() if name not in odd}, why


def input_column(pipeline: Pipeline, table: Table) -> str:
    """The column that `evaluate` takes for the inputs; a `C3Error` where the table leaves that, or the references, open."""
    table.column(pipeline.decoder.modality)
    return _input_column(pipeline, table, pipeline.decoder.modality)


def _input_column(pipeline: Pipeline, table: Table, output_column: str) -> str:
    candidates = [name for name in table.columns if name != output_column and name in pipeline.space.modalities]
    if len(candidates) != 1:
        raise C3Error(
            f"say which column holds the inputs: --input-column (the table has {', '.join(table.columns)};"
            f" the space knows {', '.join(pipeline.space.modalities)})."
        )
    return candidates[0]


def _key(source: Any) -> Hashable:
    return source if isinstance(source, Hashable) else id(source)


def _readable(encoder: Encoder, distinct: Mapping[Hashable, Any]) -> tuple[Tensor, dict[Hashable, BadItem]]:
    """Embeddings of the sources that can be read, and by key why the others cannot."""
    batches, keys = list(encoder.encode_batches(distinct.values())), list(distinct)
    bad = {keys[position]: item for batch in batches for position, item in batch.bad}
    if len(bad) == len(distinct):
        raise C3Error(f"no reference of the table could be read: {next(iter(bad.values()))}")
    return torch.cat([batch.embeddings for batch in batches]), bad
