"""`c3 demo`, `c3 run` and `c3 evaluate`: use a pipeline."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import tee
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from c3core.cli.options import (
    BatchSize,
    BestOf,
    DecoderOption,
    Device,
    Json,
    MetricName,
    PipelineName,
    Precision,
    Root,
    Seed,
    numbers_of,
)
from c3core.cli.output import report_bad, writable
from c3core.errors import C3Error, WrongCall, near
from c3core.runtime.console import one_line, print_json, print_table

if TYPE_CHECKING:
    from c3core.contracts import Decoder
    from c3core.pipeline.pipeline import Pipeline

OVERVIEW = 32  # inputs on an overview; of more, each would be too small
WIDEST = 8  # outputs in a row of an overview


def demo(
    task: Annotated[str, typer.Option(help="caption, or the task of a plugin's demo.")] = "caption",
    out: Annotated[
        Path, typer.Option(help="Folder for results.json and index.html.", parser=writable, metavar="<folder>")
    ] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """Show the method on the playground, without a download."""
    from c3core.registry.discovery import entry

    entry("demo", task).load()(out=out, seed=seed)


def run(
    pipeline: PipelineName,
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, a .txt of one item a line, table.csv:column, sentences, a store."),
    ],
    modality: Annotated[
        str | None,
        typer.Option("--modality", "-m", help="Modality of all inputs. By default it is guessed for each of them."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for outputs that are files. Files of the same names are replaced.",
            parser=writable,
            metavar="<folder>",
        ),
    ] = None,
    root: Root = None,
    option: DecoderOption = [],  # noqa: B006  typer copies it
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Number of outputs of each input, with seeds from --seed on.")] = 1,
    best_of: BestOf = 1,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Run a pipeline: print captions, or write pictures as files."""
    from c3core.cli.inputs import find_inputs
    from c3core.contracts import BadItem
    from c3core.io.files import make_folder
    from c3core.io.yaml_text import named_values
    from c3core.pipeline.pipeline import load_pipeline

    if seed + seeds > 2**32:
        raise WrongCall(
            f"--seed {seed} and --seeds {seeds} go beyond the largest seed, {2**32 - 1}. Take smaller ones."
        )
    generation = named_values(option)
    loaded = load_pipeline(pipeline, device=device, precision=precision)
    generation = loaded.decoder.check_options(generation)
    _check_call(loaded, pipeline, modality, out)
    ids, parts, left_out = find_inputs(loaded, inputs, modality, root)
    if out is not None:
        make_folder(out)
    results = _Results(loaded.decoder, ids, out, json=json, several=seeds > 1)
    results.bad = {position: BadItem(ids[position], item.why) for position, item in left_out.items()}
    for part in parts:
        batches = part.batches(loaded, batch_size)  # embedded once for all seeds
        copies = tee(batches, seeds) if isinstance(batches, Iterator) else [batches] * seeds
        for number, copy in zip(range(seed, seed + seeds), copies, strict=True):
            for at, output in loaded.stream(
                copy, modality=part.modality, generation=generation, seed=number, batch_size=batch_size, best_of=best_of
            ):
                results.add(part.positions[at], output, number)
    results.finish()


@dataclass
class _Results:
    """The outputs of `c3 run`: each is printed or written as soon as it is made, or all as one JSON document."""

    decoder: Decoder
    ids: list[str]
    out: Path | None
    json: bool
    several: bool  # seeds
    rows: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)  # seed, position, row
    shown: dict[int, list[Any]] = field(default_factory=dict)  # the outputs of an input, for the overview
    bad: dict[int, Any] = field(default_factory=dict)
    said: Counter[str] = field(default_factory=Counter)

    def add(self, position: int, output: Any, seed: int) -> None:
        from c3core.contracts import BadItem

        if isinstance(output, BadItem):
            self.bad[position] = BadItem(self.ids[position], output.why)
            return
        if position in self.shown or len(self.shown) < OVERVIEW or (self.several and not self.decoder.suffix):
            self.shown.setdefault(position, []).append(output)
        if not self.decoder.suffix:
            self.said[str(output)] += 1
        row: dict[str, Any] = {"input": self.ids[position], "output": self._write(position, output, seed)}
        if (score := getattr(output, "score", None)) is not None:
            row["score"] = score
        if self.several:
            row["seed"] = seed
        if self.json:
            self.rows.append((seed, position, row))
        elif len(self.ids) == 1:
            print(row["output"], flush=True)
        else:
            print(f"{one_line(row['input'])}\t{one_line(row['output'])}", flush=True)

    def _write(self, position: int, output: Any, seed: int) -> str:
        """Write an output that is a file. Return its path, or the output as text."""
        if not self.decoder.suffix or self.out is None:
            return str(output)
        path = self.out / f"{position:06d}{f'-{seed}' if self.several else ''}{self.decoder.suffix}"
        self.decoder.write(output, path)
        return str(path)

    def finish(self) -> None:
        """Write the overview, print what was not yet printed, and raise a `C3Error` if no input could be read."""
        from c3core.experiments.evaluation import repetition

        overview = None
        if self.out is not None and self.shown:
            shown = [self.shown[position] for position in sorted(self.shown)]
            overview = _write_overview(self.decoder, shown, self.out)
        if overview and not self.json:
            every = len(self.ids) - len(self.bad) == len(self.shown)
            print(overview if every else f"{overview} (of the first {OVERVIEW} inputs)")
        _warn_of_same(list(self.shown.values()))
        if why := repetition(self.said):
            print(f"warning: {why}", file=sys.stderr)
        bad = [self.bad[position] for position in sorted(self.bad)]
        if self.json:
            rows = [row for _, _, row in sorted(self.rows, key=lambda entry: entry[:2])]
            left_out = [{"input": item.source, "why": item.why} for item in bad]
            print_json({"outputs": rows, **({"overview": str(overview)} if overview else {}), "bad": left_out})
        report_bad(bad, len(bad), len(self.ids))
        if len(bad) == len(self.ids):
            raise C3Error("no input could be read.")


def _check_call(loaded: Pipeline, name: str, modality: str | None, out: Path | None) -> None:
    decoder = loaded.decoder
    if modality is not None and modality not in loaded.space.modalities:
        raise WrongCall(f"the space has no modality {modality!r}: {near(modality, loaded.space.modalities)}")
    if decoder.suffix and out is None:
        raise WrongCall(f"pipeline {name} makes {decoder.suffix} files. Say where they go: --out DIR.")
    if not decoder.suffix and out is not None:
        raise WrongCall(
            f"pipeline {name} prints the {decoder.modality} that it makes. Leave --out out; --json > FILE keeps it."
        )


def _warn_of_same(outputs: Sequence[list[Any]]) -> None:
    """Warn if each seed gave the same outputs."""
    from c3core.pipeline.best_of import same

    several = [made for made in outputs if len(made) > 1]
    if several and all(same(first, other) for first, *others in several for other in others):
        print("warning: each seed gave the same. Nothing may be random with these options (-o).", file=sys.stderr)


def _write_overview(decoder: Decoder, outputs: list[list[Any]], out: Path) -> Path | None:
    """Write one file of several outputs: a square of those of one seed, else the seeds of an input in a row or more."""
    path = out / f"overview{decoder.suffix}"
    try:
        path.unlink(missing_ok=True)  # an older one shows other outputs
    except OSError as error:
        raise C3Error(f"{path} cannot be replaced: {error.strerror}. Remove it, or choose another --out.") from error
    if all(len(row) == 1 for row in outputs):
        outputs = [[row[0] for row in outputs]]
        width = isqrt(len(outputs[0]) - 1) + 1
    else:
        width = min(WIDEST, max(map(len, outputs)))
    rows = [row[start : start + width] for row in outputs for start in range(0, len(row), width)]
    return path if sum(map(len, rows)) > 1 and decoder.write_overview(rows, path) else None


def evaluate(
    pipeline: PipelineName,
    table: Annotated[
        str, typer.Argument(help="A CSV with a column for each modality (caption means text), or plugin:argument.")
    ],
    input_column: Annotated[str | None, typer.Option(help="Column of the inputs.")] = None,
    output_column: Annotated[str | None, typer.Option(help="Column of the references.")] = None,
    modality: Annotated[
        str | None,
        typer.Option("--modality", "-m", help="Modality of the inputs, if their column has another name."),
    ] = None,
    root: Root = None,
    metric: MetricName = [],  # noqa: B006
    option: DecoderOption = [],  # noqa: B006
    seed: Seed = 0,
    best_of: BestOf = 1,
    shift: Annotated[
        str, typer.Option(help="Distances, separated by commas: move the inputs' embeddings so far along the gap.")
    ] = "",
    device: Device = "auto",
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Score a pipeline on a table. Rows of the same input are its references."""
    from c3core.data.tables import load_table
    from c3core.experiments.evaluation import Evaluator
    from c3core.io.yaml_text import named_values
    from c3core.pipeline.pipeline import load_pipeline

    generation, rows, shifts = named_values(option), load_table(table, root=root), numbers_of(shift, float, "shifts")
    evaluator = Evaluator(
        load_pipeline(pipeline, device=device, precision=precision),
        rows,
        input_column=input_column,
        output_column=output_column,
        modality=modality,
        generation=generation,
        seed=seed,
        best_of=best_of,
        metrics=metric,
    )
    every = [evaluator.score(one) for one in shifts or [0.0]]
    found = every[0]
    if json:
        documents = [{"shift": at} | one.to_dict() for at, one in zip(shifts, every, strict=True)] if shifts else []
        print_json(documents or found.to_dict())
    elif shifts:
        lines = [{"shift": str(at)} | one.scores.scores for at, one in zip(shifts, every, strict=True)]
        print_table(lines, list(lines[0]))
    else:
        print_table(found.rows(), ["metric", "value"])
    if not json:
        for line in found.remarks():
            print(line)
    report_bad(found.bad, len(found.bad), found.items + len(found.bad), "input(s)")
    report_bad(found.bad_references, len(found.bad_references), found.all_references, "reference(s)")


COMMANDS = (demo, run, evaluate)
