"""`c3 compare`: the outputs of several pipelines for the same inputs, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[str], typer.Argument(help="Pipelines: folders, or names that `c3 plugins` lists.")],
    inputs: Annotated[list[str], typer.Option(help="A file, folder, list, column or sentence. Repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the page, index.html.")],
    modality: Annotated[str | None, typer.Option("--modality", "-m", help="Modality of the inputs.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the first so many inputs.")] = 12,
    option: Annotated[
        list[str], typer.Option("--option", "-o", help="An option of the decoders, as in -o num_beams=3. Repeatable.")
    ] = [],  # noqa: B006  typer copies it
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Show what pipelines make of the same inputs, on one page. Figures 10 and 11 of the paper are such pages."""
    from itertools import islice

    from c3_paper.compare_page import write_page
    from c3core import Store, load_items, load_pipeline
    from c3core.data import key_of
    from c3core.errors import WrongCall
    from c3core.io import named_values, path_of

    options = named_values(option)
    items = load_items(inputs, modality)
    if isinstance(items, Store):
        raise WrongCall(f"{inputs[0]} is a store, whose inputs cannot be shown. Name the inputs themselves.")
    distinct = {key_of(item): item for item in items}  # a table names a photo once for each of its captions
    sources = list(islice(distinct.values(), limit))
    outputs = {}
    for run in runs:  # one at a time, so that only one is in memory
        pipeline = load_pipeline(run, device=device)
        outputs[run] = pipeline.run(sources, modality=modality, generation=options, seed=seed)
    print(write_page(path_of(out), sources, outputs))
