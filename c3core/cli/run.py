"""`c3 run` and `c3 evaluate`: use a pipeline."""

from __future__ import annotations

from contextlib import closing
from itertools import tee
from json import dumps
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
    VideoReaderName,
    numbers_of,
    space_options,
)
from c3core.cli.output import report_bad, table_or_folder
from c3core.cli.results import Results, TableResults, require_read
from c3core.errors import WrongCall
from c3core.io.files import short_hash
from c3core.io.journaled_table import TABLES, JournaledTable
from c3core.runtime.console import print_json, print_table
from c3core.runtime.progress import progress_bar

if TYPE_CHECKING:
    from c3core.cli.inputs import Inputs
    from c3core.pipeline.pipeline import Pipeline


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
            help="Captions: a table to write (.csv, .jsonl or .parquet). A killed run goes on from where it was."
            " Pictures: a folder; files of the same names are replaced.",
            parser=table_or_folder,
            metavar="<table or folder>",
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
    video_reader: VideoReaderName = None,
    json: Json = False,
) -> None:
    """Run a pipeline: print captions, or write a table or pictures."""
    from c3core.cli.inputs import find_inputs
    from c3core.io.files import make_folder
    from c3core.io.yaml_text import named_values
    from c3core.pipeline.pipeline import load_pipeline

    if seed + seeds > 2**32:
        raise WrongCall(f"--seed {seed} and --seeds {seeds} go beyond the largest seed, {2**32 - 1}.")
    generation = named_values(option)
    loaded = load_pipeline(pipeline, device=device, precision=precision, **space_options(video_reader))
    generation = loaded.decoder.check_options(generation)
    _check_call(loaded, pipeline, modality, out, json=json)
    given = find_inputs(loaded, inputs, modality, root, out=out)
    numbers = range(seed, seed + seeds)
    options = {"generation": generation, "batch_size": batch_size, "best_of": best_of}
    if out is None or loaded.decoder.suffix:
        if out is not None:
            make_folder(out)
        results = Results(loaded.decoder, given, numbers, out=out, json=json)
        _run(loaded, given, numbers, options, results)
        results.finish()
        return
    call = _described(loaded, given, numbers, precision, options)
    with closing(JournaledTable(out, call)) as table:
        if table.finished is not None:
            print(f"nothing left to do: {out} is finished, with {table.finished['read']} of {len(given)} inputs")
            require_read(table.finished["read"])
            return
        with progress_bar(f"writing {out}", total=len(given), done=len(table.rows)) as bar:
            results = TableResults(loaded.decoder, given, numbers, table, bar)
            try:
                _run(loaded, given, numbers, options, results)
            except KeyboardInterrupt:
                done = f"{len(table.rows)} of {len(given)} inputs are done"
                raise KeyboardInterrupt(f"stopped. {done}: run the same command again to continue.") from None
        results.finish()


def _run(loaded: Pipeline, given: Inputs, seeds: range, options: dict[str, Any], results: Results) -> None:
    """Make an output of each input with each seed. Inputs are embedded once for all seeds."""
    for position, item in given.left_out.items():
        results.add(position, [item] * len(seeds))
    batch_size = options["batch_size"]
    for part in given.parts:
        start = results.done(part.positions)
        if start < len(part.positions):
            start -= start % batch_size  # so that batches are those of a run that was not killed
        skip = start - sum(position in results.bad for position in part.positions[:start])
        streams = [
            loaded.stream(batches, modality=part.modality, seed=seed, skip=skip, **options)
            for seed, batches in zip(seeds, tee(part.batches(loaded, batch_size, start), len(seeds)), strict=True)
        ]
        for made in zip(*streams, strict=True):
            results.add(part.positions[start + made[0][0]], [output for _, output in made])


def _described(
    loaded: Pipeline, given: Inputs, seeds: range, precision: str, options: dict[str, Any]
) -> dict[str, Any]:
    """What the outputs depend on."""
    return {
        "pipeline": short_hash(dumps([loaded.loaded, loaded.fingerprints], sort_keys=True)),
        "inputs": [short_hash("\n".join(map(given.id, range(len(given))))), *(part.checksum for part in given.parts)],
        "options": options["generation"].model_dump(mode="json", exclude={"batch_size"}),
        "seeds": [*seeds],
        "best_of": options["best_of"],
        "precision": precision,
    }


def _check_call(loaded: Pipeline, name: str, modality: str | None, out: Path | None, *, json: bool) -> None:
    decoder, table = loaded.decoder, out is not None and out.suffix.lower() in TABLES
    if modality is not None:
        loaded.space.require(modality)
    if decoder.suffix and (out is None or table or out.suffix.lower() == decoder.suffix):
        why = f"which {out} cannot hold" if table else "which go into a folder"
        raise WrongCall(f"pipeline {name} makes {decoder.suffix} files, {why}. Name a folder: --out FOLDER.")
    if not decoder.suffix and out is not None and not table:
        raise WrongCall(
            f"pipeline {name} makes {decoder.modality}, which goes into a table. Name one: --out"
            f" {out.with_suffix('.csv')} (or {', '.join(TABLES[1:])}), or print it, without --out."
        )
    if table and json:
        raise WrongCall("--json prints what --out writes. Leave one of them out.")


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
    video_reader: VideoReaderName = None,
    json: Json = False,
) -> None:
    """Score a pipeline on a table. Rows of the same input are its references."""
    from c3core.data.tables import load_table, refuse_unused_root
    from c3core.experiments.evaluation import Evaluator
    from c3core.io.yaml_text import named_values
    from c3core.metrics.shown import shown
    from c3core.pipeline.pipeline import load_pipeline

    refuse_unused_root(root, [table])
    generation, rows, shifts = named_values(option), load_table(table, root=root), numbers_of(shift, float, "shifts")
    evaluator = Evaluator(
        load_pipeline(pipeline, device=device, precision=precision, **space_options(video_reader)),
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
        figures = shown([one.scores for one in every])
        lines = [{"shift": str(at)} | figure for at, figure in zip(shifts, figures, strict=True)]
        print_table(lines, list(lines[0]))
    else:
        print_table(found.rows(), ["metric", "value"])
    if not json:
        for line in found.remarks():
            print(line)
    report_bad(found.bad, len(found.bad), found.items + len(found.bad), "input(s)")
    report_bad(found.bad_references, len(found.bad_references), found.all_references, "reference(s)")


COMMANDS = (run, evaluate)
