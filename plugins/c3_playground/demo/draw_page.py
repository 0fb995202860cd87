"""Write the page of the drawing demo: the grid of drawings, the table, and samples of one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from c3_playground.demo.html import METHODS_LINE, data_uri, write_html
from c3_playground.methods import METHODS
from c3_playground.painters.scores import COLUMNS
from c3_playground.world import Item
from c3core.media import Picture, write_png
from c3core.runtime import cell

DISTANCES = ("fid", "kid")  # a low figure is good
STYLE = (
    "td img{width:64px;height:64px;image-rendering:pixelated}"
    ".grid td,.grid th{padding:.2em .25em}.grid td:first-child{min-width:10em}img{max-width:100%}"
)
EXPLANATION = """<p>Factors: the share of what a sentence states (shape, color, place) that the picture shows, as a
classifier of true pictures reads it; objects beyond the stated ones cost nothing. Exact: the share of pictures that
show all of it, and no object beyond that. R@1: the share of pictures whose embedding is nearest to that of their
sentence. FID and KID (× 1000, low is good) are of the playground's image encoder, and compare only among equal numbers
of pictures. The inception score (IS) is of the classifier. In a row "best of", the space's encoder chose the nearest of
several pictures. It also gives R@1, FID and KID, which flatters that row; the classifier is another network.</p>"""


def write_page(
    out: Path,
    items: Sequence[Item],
    drawn: Sequence[list[Picture]],
    rows: Sequence[dict[str, Any]],
    limits: dict[str, Any],
    sampled: str,
) -> None:
    """Write `index.html`. `drawn` holds the pictures of `items` for each of `rows`, `limits` the rows of bounds."""
    samples = (
        f"<h3>{decoder}</h3><img alt='16 pictures by {decoder}'"
        f" src='{data_uri(out / f'samples-{decoder}.png', 'image/png')}'>"
        for decoder in dict.fromkeys(row["decoder"] for row in rows)
    )
    body = [
        "<h1>Pictures from text, learned only from pictures</h1>",
        "<p class=lead>The painters never saw a sentence in training: its embedding takes the place of a"
        " picture's.</p>",
        _grid(out / "pictures", items, drawn, rows),
        METHODS_LINE,
        _figures(rows, limits),
        EXPLANATION,
        f"<h2>Sixteen pictures of one sentence, by C³</h2><p>{escape(sampled)}</p>",
        *samples,
    ]
    write_html(out / "index.html", "c3core demo: draw", body, style=STYLE)


def _grid(folder: Path, items: Sequence[Item], drawn: Sequence[list[Picture]], rows: Sequence[dict[str, Any]]) -> str:
    """A table of sentences, each with its true picture and those of the painters."""
    heads = (f"{METHODS[row['method']]}<br><small>{row['decoder']}{best_of_text(row)}</small>" for row in rows)
    lines = ["<tr><th>sentence</th><th>true<br>picture</th>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"]
    for number, item in enumerate(items):
        cells = [_picture(item.data, folder / f"{number}-true.png")]
        for row, pictures in zip(rows, drawn, strict=True):
            name = f"{number}-{row['decoder']}-{row['method']}-{row['best_of']}.png"
            cells.append(_picture(pictures[number], folder / name))
        lines.append(f"<tr><td>{escape(item.sentences[0])}</td>{''.join(f'<td>{each}</td>' for each in cells)}</tr>")
    return f"<div class=wide><table class=grid>{''.join(lines)}</table></div>"


def _figures(rows: Sequence[dict[str, Any]], limits: dict[str, Any]) -> str:
    """The table of figures. The best painter of each column is marked; the rows of bounds are not compared.

    A KID below 0 is no better than 0: such a column has no mark.
    """
    best = {COLUMNS[name]: (min if name in DISTANCES else max)(row[name] for row in rows) for name in _measured(rows)}
    lines = [f"<tr><th>painter</th>{''.join(f'<th>{head}</th>' for head in best)}</tr>"]
    for number, row in enumerate(table_rows(rows, limits)):
        marks = ((head, number < len(rows) and row[head] == value >= 0) for head, value in best.items())
        cells = "".join(f"<td{' class=best' if marked else ''}>{cell(row[head])}</td>" for head, marked in marks)
        lines.append(f"<tr><td>{row['painter']}</td>{cells}</tr>")
    return f"<div class=wide><table>{''.join(lines)}</table></div>"


def table_rows(rows: Sequence[dict[str, Any]], limits: dict[str, Any]) -> list[dict[str, Any]]:
    """The figures under their column heads: of the painters, then of the bounds."""
    named = {f"{row['decoder']} {METHODS[row['method']]}{best_of_text(row)}": row for row in rows} | limits
    return [
        {"painter": name} | {COLUMNS[column]: row[column] for column in _measured(rows)} for name, row in named.items()
    ]


def best_of_text(row: dict[str, Any]) -> str:
    return f" best of {row['best_of']}" if row["best_of"] > 1 else ""


def _measured(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The figures that all rows have. Too few pictures give no FID."""
    return [name for name in COLUMNS if all(name in row for row in rows)]


def _picture(picture: Picture, path: Path) -> str:
    write_png(picture, path)
    return f"<img alt='{path.stem}' src='{data_uri(path, 'image/png')}'>"
