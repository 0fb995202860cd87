"""`c3 demo`, `c3 run`, `c3 evaluate`: using pipelines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import tee
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from c3core.cli.info import Json
from c3core.cli.output import report_bad, writable
from c3core.errors import C3Error, WrongCall, near
from c3core.runtime.console import one_line, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from c3core.contracts import Decoder
    from c3core.pipeline.pipeline import Pipeline

Device = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
Precision = Annotated[str, typer.Option(help="What the encoders compute in: float32, bfloat16 or float16.")]
Option = Annotated[
    list[str],
    typer.Option(
        "--option",
        "-o",
        help="An option of the decoder, as name=value: -o num_beams=3. Repeatable; c3 info lists them.",
    ),
]
Metric = Annotated[
    list[str],
    typer.Option(
        "--metric",
        help="A metric of captions: only those named are computed, not all. A plugin's: it is added. Repeatable.",
    ),
]
Name = Annotated[
    str, typer.Argument(help="A pipeline's folder, or the name of one that a plugin brings (playground/painter).")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything that is drawn by chance.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Inputs that the model takes at once.")]
Root = Annotated[
    Path | None,
    typer.Option(help="Folder that the paths in a list or table start from; by default that of the list or table."),
]
BestOf = Annotated[
    int, typer.Option(min=1, help="Make this many outputs of each input; keep the one that the space sees nearest.")
]

OVERVIEW = 32  # inputs on an overview: more would be too small to look at
WIDEST = 8  # outputs in one of its rows


def demo(
    task: Annotated[str, typer.Option(help="caption, or another task that a plugin brings.")] = "caption",
    out: Annotated[
        Path, typer.Option(help="Folder for results.json and index.html.", parser=writable, metavar="<folder>")
    ] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """Show the method on the playground, without a download."""
    from c3core.registry.discovery import entry

    entry("demo", task).load()(out=out, seed=seed)


def run(
    pipeline: Name,
    inputs: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, a .txt of one item per line, table.csv:column, text.")
    ],
    modality: Annotated[
        str | None, typer.Option("--modality", "-m", help="Modality of the inputs; needed where it cannot be guessed.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for outputs that are files; those of the same names are replaced.",
            parser=writable,
            metavar="<folder>",
        ),
    ] = None,
    root: Root = None,
    option: Option = [],  # noqa: B006  typer copies it
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(min=1, help="How many outputs of each input, with seeds from --seed on.")] = 1,
    best_of: BestOf = 1,
    batch_size: BatchSize = 64,
    device: Device = "auto",
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Run a pipeline: print captions, or write pictures as files."""
    from c3core.cli.inputs import find_inputs, options_of
    from c3core.contracts import BadItem
    from c3core.io.files import make_folder
    from c3core.pipeline.pipeline import load_pipeline

    if seed + seeds > 2**32:
        raise WrongCall(
            f"--seed {seed} and --seeds {seeds} go beyond the largest seed, {2**32 - 1}. Take smaller ones."
        )
    asked = options_of(option)  # what is wrong with the call is said before anything is loaded
    loaded = load_pipeline(pipeline, device=device, precision=precision)
    chosen = loaded.decoder.check_options(asked)
    _check_call(loaded, pipeline, modality, out)
    ids, parts, left_out = find_inputs(loaded, inputs, modality, root)
    if out is not None:
        make_folder(out)
    rows: list[dict[str, Any]] = []
    made: dict[int, list[Any]] = {}  # of each input (of the first, if they are large), what the seeds made of it
    bad = [*left_out.items()]
    for part in parts:
        batches = part.batches(loaded, batch_size)  # inputs are embedded once for all seeds
        copies = tee(batches, seeds) if isinstance(batches, Iterator) else [batches] * seeds
        for number, copy in zip(range(seed, seed + seeds), copies, strict=True):
            for at, output in loaded.stream(
                copy, modality=part.modality, generation=chosen, seed=number, batch_size=batch_size, best_of=best_of
            ):
                position = part.positions[at]
                if isinstance(output, BadItem):
                    bad += [(position, BadItem(ids[position], output.why))] if number == seed else []
                    continue
                if position in made or len(made) < OVERVIEW or (seeds > 1 and not loaded.decoder.suffix):
                    made.setdefault(position, []).append(output)
                name = f"{position:06d}{f'-{number}' if seeds > 1 else ''}"
                row = {
                    "input": ids[position],
                    **_kept(loaded.decoder, output, out, name),
                    **({"seed": number} if seeds > 1 else {}),
                }
                if json:
                    rows.append(row)
                else:
                    print(
                        row["output"] if len(ids) == 1 else f"{one_line(ids[position])}\t{one_line(row['output'])}",
                        flush=True,
                    )
    sheet = None
    if out is not None and made:
        sheet = _overview(loaded.decoder, [made[position] for position in sorted(made)], out)
        if sheet and not json:
            print(sheet if len(ids) - len(bad) == len(made) else f"{sheet} (of the first {OVERVIEW} inputs)")
    _say_same(made.values())
    left_out_items = [item for _, item in sorted(bad, key=lambda entry: entry[0])]
    if json:
        shown = [{"input": item.source, "why": item.why} for item in left_out_items]
        print_json({"outputs": rows, **({"overview": str(sheet)} if sheet else {}), "bad": shown})
    report_bad(left_out_items, len(bad), len(ids))
    if len(bad) == len(ids):
        raise C3Error("no input could be read.")


def _check_call(loaded: Pipeline, name: str, modality: str | None, out: Path | None) -> None:
    decoder = loaded.decoder
    if modality is not None and modality not in loaded.space.modalities:
        raise WrongCall(f"the space has no modality {modality!r}: {near(modality, loaded.space.modalities)}")
    if decoder.suffix and out is None:
        raise WrongCall(f"pipeline {name} makes {decoder.suffix} files. Say where they go: --out DIR.")
    if not decoder.suffix and out is not None:
        raise WrongCall(
            f"pipeline {name} makes {decoder.modality}, which is printed. Leave --out out; --json > FILE keeps it."
        )


def _kept(decoder: Decoder, output: Any, out: Path | None, name: str) -> dict[str, Any]:
    """What is said of an output; one that is a file is written."""
    said = str(output)
    if decoder.suffix and out is not None:
        path = out / f"{name}{decoder.suffix}"
        decoder.write(output, path)
        said = str(path)
    score = getattr(output, "score", None)
    return {"output": said} | ({"score": score} if score is not None else {})


def _say_same(made: Iterable[list[Any]]) -> None:
    """Warn where each seed gave the same."""
    from c3core.pipeline.best_of import same

    several = [outputs for outputs in made if len(outputs) > 1]
    if several and all(same(first, other) for first, *others in several for other in others):
        print("warning: each seed gave the same. The options (-o) may leave nothing to chance.", file=sys.stderr)


def _overview(decoder: Decoder, made: list[list[Any]], out: Path) -> Path | None:
    """Write the outputs side by side, an input in a row, or in several where it has many; those of one each as a
    square. None of a single output.
    """
    sheet = out / f"overview{decoder.suffix}"
    try:
        sheet.unlink(missing_ok=True)  # one that stands there shows other outputs
    except OSError as error:
        raise C3Error(
            f"{sheet} cannot be replaced: {error.strerror}. Take it away, or choose another --out."
        ) from error
    if all(len(row) == 1 for row in made):
        made = [[row[0] for row in made]]
        side = isqrt(len(made[0]) - 1) + 1
    else:
        side = min(WIDEST, max(map(len, made)))
    made = [row[start : start + side] for row in made for start in range(0, len(row), side)]
    return sheet if sum(map(len, made)) > 1 and decoder.write_overview(made, sheet) else None


def evaluate(
    pipeline: Name,
    table: Annotated[
        str, typer.Argument(help="A CSV with one column per modality (caption stands for text), or plugin:argument.")
    ],
    input_column: Annotated[str | None, typer.Option(help="Column of the inputs.")] = None,
    output_column: Annotated[str | None, typer.Option(help="Column of the references.")] = None,
    modality: Annotated[
        str | None,
        typer.Option("--modality", "-m", help="Modality of the inputs, if their column is called otherwise."),
    ] = None,
    root: Root = None,
    metric: Metric = [],  # noqa: B006
    option: Option = [],  # noqa: B006
    seed: Seed = 0,
    best_of: BestOf = 1,
    device: Device = "auto",
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Score a pipeline on a table. Rows of the same input are its references."""
    from c3core.cli.inputs import options_of
    from c3core.data.tables import load_table
    from c3core.experiments.evaluation import evaluate as score
    from c3core.pipeline.pipeline import load_pipeline

    asked, rows = options_of(option), load_table(table, root=root)
    loaded = load_pipeline(pipeline, device=device, precision=precision)
    figures = score(
        loaded,
        rows,
        input_column=input_column,
        output_column=output_column,
        modality=modality,
        generation=asked,
        seed=seed,
        best_of=best_of,
        metrics=metric,
    )
    if json:
        print_json(figures.to_dict())
    else:
        print_table(figures.rows(), ["metric", "value"])
        for line in figures.remarks():
            print(line)
    report_bad(figures.bad, len(figures.bad), figures.items + len(figures.bad), "input(s)")
    report_bad(figures.bad_references, len(figures.bad_references), figures.all_references, "reference(s)")


COMMANDS = (demo, run, evaluate)
