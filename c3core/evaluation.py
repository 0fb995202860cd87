"""Scoring a pipeline on a table: run it on each input, compare with the references on the input's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from c3core.contracts import BadItem
from c3core.errors import C3Error
from c3core.metrics.captions import METRICS, CaptionScores, caption_metrics
from c3core.sources import Table

if TYPE_CHECKING:
    from c3core.pipeline import Pipeline


@dataclass
class Evaluation:
    """Outputs with their references, and the figures in the paper's units (CIDEr 93.3)."""

    scores: CaptionScores
    inputs: list[Any]
    outputs: list[str]
    references: list[list[str]]
    bad: list[BadItem] = field(default_factory=list)

    @property
    def items(self) -> int:
        return len(self.outputs)

    def to_dict(self) -> dict[str, Any]:
        """Figures by name, the tokenisation, what was left out and why, and how many items."""
        return {**self.scores.to_dict(), "items": self.items, "bad": len(self.bad)}

    def rows(self) -> list[dict[str, Any]]:
        """One row a metric, for a table."""
        return [{"metric": name, "value": value} for name, value in self.scores.to_dict().items() if isinstance(value, float)]

    def remarks(self) -> list[str]:
        """The tokenisation, and each metric that was left out with the reason."""
        figures = self.scores.to_dict()
        return [f"tokeniser: {figures['tokeniser']}", *(f"{name}: {why}" for name, why in figures["left_out"].items())]


def evaluate(
    pipeline: Pipeline,
    table: Table,
    *,
    input_column: str | None = None,
    output_column: str | None = None,
    modality: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
) -> Evaluation:
    """Run the pipeline on the inputs of a table and score its outputs against the references.

    Columns are named after modalities: the output's is the decoder's, the input's the other one that the space has, unless said
    otherwise. Rows of the same input are its references. Inputs that cannot be read are left out and listed in `bad`.
    """
    target = pipeline.decoder.modality
    output_column = output_column or target
    if input_column is None:
        candidates = [name for name in table.columns if name != output_column and name in pipeline.space.modalities]
        if len(candidates) != 1:
            raise C3Error(
                f"say which column holds the inputs: --input-column (the table has {', '.join(table.columns)};"
                f" the space knows {', '.join(pipeline.space.modalities)})."
            )
        input_column = candidates[0]
    groups = table.grouped(by=input_column, of=output_column)
    if not groups:
        raise C3Error("the table has no rows to score.")
    modality = modality or input_column
    outputs = pipeline.run([source for source, _ in groups], modality=modality, options=options, seed=seed)
    good = [k for k, output in enumerate(outputs) if not isinstance(output, BadItem)]
    bad = [output for output in outputs if isinstance(output, BadItem)]
    if not good:
        raise C3Error(f"no input of the table could be read: {bad[0]}")
    texts, references = [str(outputs[k]) for k in good], [groups[k][1] for k in good]
    scores = caption_metrics(texts, references, metrics=METRICS if metrics is None else metrics)
    return Evaluation(scores, [groups[k][0] for k in good], texts, references, bad)
