"""The other direction, shown: decoders trained on pictures alone draw from sentences.

The painters come trained with the package; the demo draws with each of C¹ (connect), C²₁ (+ collapse), C²₂ (+ corrupt)
and C³ (both), and keeps the best of several pictures by C³; it prints the table and writes the grid.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from c3_playground.demo.caption import say
from c3_playground.demo.page import STYLE, data_uri
from c3_playground.painters.factor_reader import load_reader
from c3_playground.painters.measure import COLUMNS, bounds, draw, score
from c3_playground.painters.shipped import DECODERS, METHODS, painter
from c3_playground.world import Item, World
from c3core.io import write_json, write_text
from c3core.media import Picture, write_png, write_sheet
from c3core.runtime import cell, print_table

BEST_OF = 4  # pictures, of which the space chooses one
WAYS = [(decoder, method, 1) for decoder in DECODERS for method in METHODS] + [("diffusion", "c3", BEST_OF)]
MEASURED = 100  # unseen sentences
SHOWN = 8  # of them in the grid
SAMPLES = 16  # pictures of one sentence
SAMPLED = 7  # that sentence: it leaves place, size and background open, so that variety shows
DISTANCES = ("fid", "kid")  # small ones are good


def demo(*, out: Path, seed: int = 0, measured: int = MEASURED) -> None:
    """Draw from unseen sentences, print the table, write `results.json`, `grid.png`, `samples-*.png` and
    `index.html`.
    """
    started, reader = time.monotonic(), load_reader()
    items = World().items("image", "test", measured)
    rows: list[dict[str, Any]] = []
    drawn: list[list[Picture]] = []
    sampled = items[min(SAMPLED, measured - 1)].sentences[0]
    say("Draw", f"from {measured} unseen sentences; the painters learned from pictures alone")
    for decoder, method, best_of in WAYS:
        pipeline = painter(decoder, method)
        pictures = draw(pipeline, items, seed=seed, best_of=best_of)
        figures = score(pipeline, items, pictures, reader, seed=seed)
        rows.append({"decoder": decoder, "method": method, "best_of": best_of, **figures})
        drawn.append(pictures[:SHOWN])
        say(
            METHODS[method],
            f"{decoder + _chosen(rows[-1]):19} factors {figures['factors']:5.1f} %   R@1 {figures['r1']:5.1f} %",
        )
        if method == "c3" and best_of == 1:
            samples = pipeline.run([sampled] * SAMPLES, modality="text", seed=seed)  # each from noise of its own
            write_sheet([samples[row : row + 4] for row in range(0, SAMPLES, 4)], out / f"samples-{decoder}.png")
    limits = bounds(items, reader, pipeline)
    table = _table(rows, limits)
    print_table(table, list(table[0]))
    write_sheet(
        [[item.data, *(pictures[k] for pictures in drawn)] for k, item in enumerate(items[:SHOWN])], out / "grid.png"
    )
    seconds = time.monotonic() - started
    write_json(
        out / "results.json",
        {"rows": rows, "bounds": limits, "measured": measured, "seed": seed, "seconds": round(seconds, 1)},
    )
    write_page(out, items, drawn, rows, limits, sampled)
    say("Done", f"in {seconds:.0f} s. Open {out / 'index.html'}; the figures are in {out / 'results.json'}")


def write_page(
    out: Path,
    items: Sequence[Item],
    drawn: Sequence[list[Picture]],
    rows: Sequence[dict[str, Any]],
    limits: dict[str, Any],
    sampled: str,
) -> None:
    """Write `index.html`: the table, the grid of sentences × the rows' painters beside the true picture, the
    samples.
    """
    picture_files = out / "pictures"
    head = "".join(
        f"<th>{METHODS[row['method']]}<br><small>{row['decoder']}{_chosen(row)}</small></th>" for row in rows
    )
    grid = []
    for number, item in enumerate(items[:SHOWN]):
        cells = [_picture(item.data, picture_files / f"{number}-true.png")]
        for row, pictures in zip(rows, drawn, strict=True):
            name = f"{number}-{row['decoder']}-{row['method']}-{row['best_of']}.png"
            cells.append(_picture(pictures[number], picture_files / name))
        grid.append(f"<tr><td>{escape(item.sentences[0])}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    best = {COLUMNS[name]: (min if name in DISTANCES else max)(row[name] for row in rows) for name in _measured(rows)}
    figures = ""
    for number, row in enumerate(_table(rows, limits)):
        marks = {
            head: " class=best" if number < len(rows) and row[head] == value else "" for head, value in best.items()
        }
        cells = "".join(f"<td{mark}>{cell(row[head])}</td>" for head, mark in marks.items())
        figures += f"<tr><td>{row['painter']}</td>{cells}</tr>"
    samples = "".join(
        f"<h3>{decoder}</h3><img alt='16 pictures by {decoder}'"
        f" src='{data_uri(out / f'samples-{decoder}.png', 'image/png')}'>"
        for decoder in DECODERS
    )
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>c3core demo: draw</title><style>{STYLE}td img{{width:64px;height:64px;image-rendering:pixelated}}"
        ".grid td,.grid th{padding:.2em .25em}.grid td:first-child{min-width:14em}</style>",
        "<h1>Pictures from text, learned from pictures alone</h1>",
        "<p class=lead>The painters never met a sentence in training: its embedding takes the place of a"
        " picture's.</p>",
        f"<table class=grid><tr><th>sentence</th><th>true<br>picture</th>{head}</tr>{''.join(grid)}</table>",
        "<p>C¹: connect alone. C²₁: and collapse. C²₂: and corrupt instead. C³: all three.</p>",
        f"<table><tr><th>painter</th>{''.join(f'<th>{head}</th>' for head in best)}</tr>{figures}</table>",
        f"<p>Of {len(items)} sentences. Factors: the share of what a sentence states (shape, colour, place) that the"
        " picture shows,"
        " as a classifier of true pictures reads it; objects more than stated cost nothing. Exact: the share of"
        " pictures that show"
        " all of it, and no object more. R@1: the share whose embedding is nearest to that of its own sentence. FID"
        " and KID"
        " (× 1000; small is good) are of the playground's own image encoder, and compare among as many pictures"
        " alone; the"
        f" inception score (IS) is of that classifier. Best of {BEST_OF}: the space's encoder chose among {BEST_OF}"
        " pictures. R@1,"
        " FID and KID are of that encoder and so flatter this row; the classifier is another network.</p>",
        f"<h2>Sixteen pictures of one sentence, by C³</h2><p>{escape(sampled)}</p>{samples}",
    ]
    write_text(out / "index.html", "\n".join(parts))


def _measured(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The figures that all rows have: few pictures give no FID."""
    return [name for name in COLUMNS if all(name in row for row in rows)]


def _table(rows: Sequence[dict[str, Any]], limits: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures under their heads: of the painters, then of true pictures and of what is right by chance."""
    of = {f"{row['decoder']} {METHODS[row['method']]}{_chosen(row)}": row for row in rows} | limits
    return [
        {"painter": painter} | {COLUMNS[name]: row[name] for name in _measured(rows)} for painter, row in of.items()
    ]


def _chosen(row: dict[str, Any]) -> str:
    return f" best of {row['best_of']}" if row["best_of"] > 1 else ""


def _picture(picture: Picture, path: Path) -> str:
    write_png(picture, path)
    return f"<img alt='{path.stem}' src='{data_uri(path, 'image/png')}'>"
