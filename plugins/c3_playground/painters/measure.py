"""Scores of the shipped painters: `python -m c3_playground.painters.measure --sentences 1000` prints the table (or
`--json`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from c3_playground.painters.factor_reader import FactorReader, load_reader
from c3_playground.painters.metric import figures
from c3_playground.painters.shipped import DECODERS, FOLDER, METHODS, painter
from c3_playground.world import Item, World
from c3core import Pipeline
from c3core.media import Picture
from c3core.metrics import embedding_metrics, inception_features, inception_metrics, load_inception
from c3core.runtime import exit_cleanly, progress_bar

COLUMNS = {"factors": "factors %", "shape": "shape %", "colour": "colour %", "place": "place %", "exact": "exact %"}
COLUMNS |= {"r1": "R@1 %", "fid": "FID", "kid": "KID", "inception": "IS"}


def draw(pipeline: Pipeline, items: Sequence[Item], *, seed: int = 0, best_of: int = 1) -> list[Picture]:
    """A picture of each item's first sentence: of `best_of`, the one that the space sees nearest to it."""
    return pipeline.run([item.sentences[0] for item in items], modality="text", seed=seed, best_of=best_of)


def score(
    pipeline: Pipeline, items: Sequence[Item], pictures: Sequence[Picture], reader: FactorReader, *, seed: int = 0
) -> dict[str, Any]:
    """Figures of pictures drawn of the items' first sentences.

    FID × 1000 and KID × 1000 are of the embeddings that the playground's own image encoder gives, against the items'
    true pictures: they compare among themselves, not with Inception's. The inception score is of the factor reader's
    classes, at most 72.
    """
    sentences, encoder = [item.sentences[0] for item in items], pipeline.space.encoder("image")
    made, truth = encoder.encode(pictures), encoder.encode([item.data for item in items])
    asked = pipeline.space.encode(sentences, "text")
    found = embedding_metrics(made, truth, asked, features="the playground's image encoder", seed=seed).scores
    factors = figures(reader, sentences, pictures)
    inception = factors.pop("inception")
    scores = {
        name: 1000 * found[key] for name, key in (("fid", "fid"), ("kid", "kid_mean")) if key in found
    }  # if enough pictures
    return {**factors, "r1": found["r1"], **scores, "inception": inception}


def bounds(items: Sequence[Item], reader: FactorReader, pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """The same figures of the true pictures, the most that a painter can reach; and of the next item's: right by chance
    alone.
    """
    true = [item.data for item in items]
    given = {"true pictures": true, "those of other sentences": [*true[1:], *true[:1]]}
    return {name: score(pipeline, items, pictures, reader) for name, pictures in given.items()}


def main(
    sentences: Annotated[int, typer.Option(min=1)] = 1000,
    first: Annotated[int, typer.Option(min=0, help="The first of the unseen sentences that are drawn.")] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of all that is drawn.")] = 0,
    decoder: Annotated[list[str], typer.Option(help="Repeatable.")] = list(DECODERS),  # noqa: B006
    method: Annotated[list[str], typer.Option(help="Repeatable.")] = list(METHODS),  # noqa: B006
    best_of: Annotated[
        int, typer.Option(min=1, help="Draw this many of each sentence; score the one that the space sees nearest.")
    ] = 1,
    folder: Annotated[Path, typer.Option(help="Of the painters.")] = FOLDER,
    inception: Annotated[
        Path | None, typer.Option(help="Inception's weights (.safetensors), for its FID, KID and IS too.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Print the table for unseen sentences, each method and decoder. R@1 is among 100 of them; KID needs 100."""
    from c3core.runtime import print_json, print_table

    items, reader, rows = World().items("image", "test", sentences, start=first), load_reader(), []
    if inception:
        network = load_inception(inception)
        true = inception_features(network, [item.data for item in items])
    ways = [(name, key) for name in decoder for key in method]
    with progress_bar("measuring", total=len(ways) * len(items)) as bar:
        for name, key in ways:
            pipeline, started = painter(name, key, folder=folder), time.monotonic()
            pictures = draw(pipeline, items, seed=seed, best_of=best_of)
            seconds = time.monotonic() - started
            row = {"decoder": name, "method": METHODS[key], **score(pipeline, items, pictures, reader, seed=seed)}
            row["ms a picture"] = 1000 * seconds / len(items)
            if inception:
                found = inception_metrics(inception_features(network, pictures), true, seed=seed)
                row |= {f"Inception's {name}": value for name, value in found.items()}
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
