"""Print the scores of the shipped painters.

`python -m c3_playground.painters.measure --sentences 1000` prints the table, and `--json` a JSON document.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from c3_playground.methods import METHODS
from c3_playground.painters.factor_network import load_reader
from c3_playground.painters.scores import COLUMNS, bounds, draw, score
from c3_playground.painters.shipped import DECODERS, FOLDER, painter
from c3_playground.world import World
from c3core.runtime import exit_cleanly, print_json, print_table, progress_bar


def main(
    sentences: Annotated[int, typer.Option(min=1)] = 1000,
    first: Annotated[int, typer.Option(min=0, help="Index of the first unseen sentence that is drawn.")] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the drawings.")] = 0,
    decoder: Annotated[list[str], typer.Option(help="Repeatable.")] = list(DECODERS),  # noqa: B006
    method: Annotated[list[str], typer.Option(help="Repeatable.")] = list(METHODS),  # noqa: B006
    best_of: Annotated[int, typer.Option(min=1, help="Draw so many of each sentence, and score the nearest.")] = 1,
    folder: Annotated[Path, typer.Option(help="Folder of the painters.")] = FOLDER,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the table of unseen sentences for each decoder and method. R@1 is among 100 sentences; KID needs 100."""
    items, reader, rows = World().items("image", "test", sentences, start=first), load_reader(), []
    ways = [(name, key) for name in decoder for key in method]
    with progress_bar("measuring", total=len(ways) * len(items)) as bar:
        for name, key in ways:
            pipeline, started = painter(name, key, folder=folder), time.monotonic()
            pictures = draw(pipeline, items, seed=seed, best_of=best_of)
            seconds = time.monotonic() - started
            row = {"decoder": name, "method": METHODS[key], **score(pipeline, items, pictures, reader, seed=seed)}
            row["ms a picture"] = 1000 * seconds / len(items)
            rows.append(row)
            bar.advance(len(items))
    rows += [{"decoder": name, "method": "", **found} for name, found in bounds(items, reader, pipeline).items()]
    if json:
        print_json({"rows": rows, "sentences": sentences, "first": first, "seed": seed, "best_of": best_of})
    else:
        heads = {name: COLUMNS.get(name, name) for name in rows[0]}
        print_table([{head: row.get(name, "") for name, head in heads.items()} for row in rows], list(heads.values()))


if __name__ == "__main__":
    typer.run(exit_cleanly()(main))
