"""Score a pipeline on a table: run it on each input, and compare its outputs with the references of the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges.c3 import C3Bridge
from c3core.contracts import BadItem, Bridge, Encoder, name_of
from c3core.data.tables import Table
from c3core.errors import C3Error, WrongCall, warn
from c3core.experiments.references import EmbeddedReferences, References, TextReferences
from c3core.io.validation import require_part
from c3core.metrics.custom import Metric, compute_metric, load_metrics
from c3core.metrics.fid import GROUP, embedding_metrics
from c3core.metrics.shown import shown
from c3core.pipeline.pipeline import Pipeline

FEW = 20  # outputs; of fewer, many may be the same by chance


@dataclass(repr=False)
class Evaluation:
    """Outputs with their references and scores: of captions in the paper's units (CIDEr 93.3), of others FID, KID, R@1.

    It prints as a table of the scores. `left_out` holds the metrics that could not be computed, with the reason. R@1 is
    among `group` inputs. `features` names the encoder of FID, KID and R@1: only scores of the same one can be compared.
    `bad` are the inputs that could not be read, `bad_references` the references.
    """

    inputs: list[Any]
    outputs: list[Any]
    references: list[list[Any]]
    bad: list[BadItem]
    bad_references: list[BadItem]
    all_references: int  # distinct ones that were looked at
    best_of: int
    scores: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    group: int | None = None
    features: str | None = None

    def __repr__(self) -> str:
        rows = [(row["metric"], row["value"]) for row in self.rows()]
        name, value = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
        figures = [f"  {metric:{name}}  {score:>{value}}" for metric, score in rows]
        return "\n".join([f"Evaluation of {self.items} items", *figures, *self.remarks()])

    @property
    def items(self) -> int:
        """The number of inputs that were scored."""
        return len(self.outputs)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores by name, how they were computed, what was left out and why, and the number of items."""
        how = {"group": self.group, "features": self.features} if self.features else {}
        return {
            **self.scores,
            "n": self.items,
            "left_out": self.left_out,
            **how,
            "items": self.items,
            "bad": len(self.bad),
            "bad_references": len(self.bad_references),
            "best_of": self.best_of,
            **({} if self.distinct is None else {"distinct": self.distinct}),
        }

    @property
    def distinct(self) -> float | None:
        """The share of the outputs that are distinct, in %; None for outputs that are no text."""
        if not all(isinstance(output, str) for output in self.outputs):
            return None
        return 100 * len(set(self.outputs)) / len(self.outputs)

    def rows(self) -> list[dict[str, str]]:
        """Return one row for each metric, for a table."""
        (figures,) = shown([self.scores])
        return [{"metric": name, "value": value} for name, value in figures.items()]

    def remarks(self) -> list[str]:
        """Return the encoder that the scores depend on, and why each missing metric was left out."""
        how = [f"features: {self.features}; r1: among {self.group}"] if self.features else []
        chosen = (
            [f"best of {self.best_of}: the space chose them, so scores of its own encoders are too high"]
            if self.best_of > 1
            else []
        )
        distinct = [] if self.distinct is None else [f"distinct outputs: {self.distinct:.0f} %"]
        return [*how, *distinct, *chosen, *(f"{name}: {why}" for name, why in self.left_out.items())]


def evaluate(
    pipeline: Pipeline,
    table: Table,
    *,
    input_column: str | None = None,
    output_column: str | None = None,
    modality: str | None = None,
    generation: Mapping[str, Any] | None = None,
    seed: int = 0,
    best_of: int = 1,
    metrics: Sequence[str] | None = None,
) -> Evaluation:
    """Run the pipeline on the inputs of a table and score its outputs against the references.

    This scores once as `Evaluator` does, which says what the options mean.
    """
    options = {"generation": generation, "seed": seed, "best_of": best_of, "metrics": metrics}
    columns = {"input_column": input_column, "output_column": output_column, "modality": modality}
    return Evaluator(pipeline, table, **columns, **options).score()  # type: ignore[arg-type]


class Evaluator:
    """Scores a pipeline on a table. Inputs and references are read once, for one or several scores.

    Columns are named after modalities: the output's is the decoder's, the input's the other one that the space has,
    unless said otherwise. Rows of the same input are its references. Inputs that cannot be read are left out and listed
    in `bad`, references in `bad_references`. Outputs that are text are scored by caption metrics, any other by the
    embeddings that the space gives them. `metrics` chooses among the default ones of text (all, if it names none), and
    adds others.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        table: Table,
        *,
        input_column: str | None = None,
        output_column: str | None = None,
        modality: str | None = None,
        generation: Mapping[str, Any] | None = None,
        seed: int = 0,
        best_of: int = 1,
        metrics: Sequence[str] | None = None,
    ) -> None:
        require_part("pipeline", pipeline, Pipeline)
        if not isinstance(table, Table):
            raise WrongCall(f"the table must be a Table, not {type(table).__name__}. Load it: c3core.load_table(name).")
        self.pipeline, self.generation, self.seed, self.best_of = pipeline, generation, seed, best_of
        target = pipeline.decoder.modality
        output = target if output_column is None else table.named(output_column)
        column = find_input(pipeline, table, output) if input_column is None else table.named(input_column)
        groups = table.grouped(by=column, of=output)
        if not groups:
            raise C3Error("the table has no rows to score.")
        self.modality, known = modality or column, pipeline.space.modalities
        if modality is None and column not in known:
            raise WrongCall(f"say which modality column {column!r} has (modality=…, or -m): one of {', '.join(known)}.")
        self.metrics = load_metrics(pipeline.decoder, self.modality, metrics or ())
        pipeline.check_run(generation=generation, seed=seed, best_of=best_of)
        encoder = pipeline.encoder(self.modality)
        self.known, self.bad = _read_references(pipeline, groups, self.metrics), list[BadItem]()
        if isinstance(self.known, TextReferences):
            wordless = [source for source, several in groups if not self.known.readable(several)]
            self.bad = [BadItem(name_of(source), "none of its references has a word in it") for source in wordless]
            groups = [(source, several) for source, several in groups if self.known.readable(several)]
        self.groups = groups
        self.batches = list(encoder.encode_batches(source for source, _ in groups))

    def of(self, pipeline: Pipeline) -> Evaluator:
        """Return an evaluator of another pipeline with the same encoders. Nothing is read or embedded again."""
        other = copy(self)
        other.pipeline = pipeline
        return other

    def score(self, shift: float = 0.0) -> Evaluation:
        """Run the pipeline and score its outputs.

        With a `shift`, the embeddings e of the inputs become e + shift·g/‖g‖, where g is the gap between the input's
        modality (or, if that is the decoder's, the first other one) and the decoder's: Table 6 of the C3 paper. The
        bridge must know the means of both.
        """
        pipeline, groups, known, bad = self.pipeline, self.groups, self.known, [*self.bad]
        target, batches = pipeline.decoder.modality, self.batches
        if shift:
            step = shift * normalize(gap_of(pipeline.bridge, self.modality), dim=0).float()
            batches = [replace(batch, embeddings=batch.embeddings + step) for batch in batches]
        options: dict[str, Any] = {"generation": self.generation, "seed": self.seed, "best_of": self.best_of}
        outputs = pipeline.run(batches, modality=self.modality, **options)
        embeddings = (
            _embed_outputs(pipeline.encoder(target), groups, outputs) if isinstance(known, EmbeddedReferences) else None
        )
        bad += [output for output in outputs if isinstance(output, BadItem)]
        good = [k for k, output in enumerate(outputs) if not isinstance(output, BadItem)]
        if not good:
            raise C3Error(f"no input of the table, or nothing made of one, could be read: {bad[0]}")
        inputs, good_outputs = [groups[k][0] for k in good], [outputs[k] for k in good]
        references = [known.readable(groups[k][1]) if known else groups[k][1] for k in good]
        unread, count = ([*known.bad.values()], known.count) if known else ([], 0)
        found = Evaluation(inputs, good_outputs, references, bad, unread, count, self.best_of)
        if isinstance(known, EmbeddedReferences) and embeddings is not None:
            positions = (position for batch in batches for position in batch.index)
            row_of = {position: row for row, position in enumerate(positions)}
            input_embeddings = torch.cat([batch.embeddings for batch in batches])[[row_of[k] for k in good]]
            found.scores, found.left_out = embedding_metrics(
                embeddings, known.embeddings, input_embeddings, seed=self.seed
            )
            found.group, found.features = min(GROUP, len(good)), f"the {target} encoder of {pipeline.space.spec}"
        elif known is None:
            found.left_out["r1, fid, kid"] = f"the space {pipeline.space.spec} knows no {target}."
        if found.distinct is not None and (warning := repetition(Counter(map(str, good_outputs)))):
            warn(warning)
        for name, metric in self.metrics.items():
            added, why = compute_metric(metric, inputs, good_outputs, references, taken=found.to_dict())
            found.scores |= added
            if why:
                found.left_out[name] = why
        return found


def repetition(counts: Counter[str]) -> str | None:
    """What to warn of if most of at least 20 outputs are the same. `counts` has how often each was made."""
    if counts.total() < FEW or not (most := counts.most_common(1)[0])[1] > counts.total() / 2:
        return None
    return (
        f"{most[1]} of {counts.total()} outputs are the same ({most[0]!r}): the decoder heeds its inputs little. Train"
        " it longer or with less noise, and see that the space knows such inputs."
    )


def gap_of(bridge: Bridge, modality: str) -> Tensor:
    """The gap (d,) that a bridge is fitted on, as `Evaluator.score` takes it. Raises `WrongCall` if it has none."""
    others = [modality, *bridge.modalities]
    other = next((name for name in others if name != bridge.target), None)
    if not isinstance(bridge, C3Bridge) or "mean" not in bridge.needs or other is None:
        raise WrongCall(f"bridge {bridge.name!r} knows no gap to shift along. Take one such as c2_1 or c3.")
    return bridge.gap(other)


def _read_references(
    pipeline: Pipeline, groups: Sequence[tuple[Any, Sequence[Any]]], added: Mapping[str, Metric]
) -> References | None:
    """Read the references to compare outputs with them. Returns None if only the metrics of plugins can do that."""
    decoder, space = pipeline.decoder, pipeline.space
    if decoder.suffix is None:  # outputs are lines of text
        return TextReferences(groups)
    if decoder.modality in space.modalities or not added:
        return EmbeddedReferences(pipeline.encoder(decoder.modality), groups)
    return None


def _embed_outputs(encoder: Encoder, groups: Sequence[tuple[Any, Sequence[Any]]], outputs: list[Any]) -> Tensor:
    """Embed the good outputs. An output that the encoder refuses becomes a `BadItem` in the list."""
    good = [k for k, output in enumerate(outputs) if not isinstance(output, BadItem)]
    batches = list(encoder.encode_batches(outputs[k] for k in good))
    for at, item in (entry for batch in batches for entry in batch.bad):
        outputs[good[at]] = BadItem(name_of(groups[good[at]][0]), f"what was made of it cannot be read: {item.why}")
    return torch.cat([batch.embeddings for batch in batches]) if batches else torch.zeros(0, encoder.dim)


def find_input(pipeline: Pipeline, table: Table, output_column: str) -> str:
    """The column of the inputs, if none is named: the only one beside the outputs' that the space knows."""
    candidates = [name for name in table.columns if name != output_column and name in pipeline.space.modalities]
    if len(candidates) != 1:
        columns, known = ", ".join(map(repr, table.columns)), ", ".join(pipeline.space.modalities)
        raise WrongCall(
            "say which column holds the inputs (input_column=…, or --input-column). The columns of the table (of a"
            f" file: its first line) are {columns}; the space knows {known}."
        )
    return candidates[0]
