"""Write the page of the captioning demo: photos, the table, items with their captions, and the geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from c3_playground.demo.html import METHODS_LINE, data_uri, write_html
from c3_playground.methods import METHODS
from c3_playground.world import Item, accuracy
from c3_playground.world.media.export import write_gif, write_mp4, write_wav
from c3core.media import write_png

FIGURES = {"cider": "CIDEr", "bleu4": "BLEU-4", "factor_accuracy": "factors %"}
OPEN = 12  # items of each modality that are seen at once; the others are folded


@dataclass
class Results:
    """What the page shows: captions of the captioners that ship, and rows, captions and geometry of the trained."""

    photos: list[tuple[Any, str]] = field(default_factory=list)  # a file and its caption
    shipped: list[tuple[Item, str]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    captions: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # by modality and method
    geometry: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_page(out: Path, tested: Mapping[str, Sequence[Item]], shown: int, results: Results) -> None:
    """Write `index.html` with the first `shown` items of each modality."""
    parts = [
        "<h1>Captions without paired data</h1>",
        "<p class=lead>Captioners that learned only from sentences caption photos, pictures, videos and sounds.</p>",
        *_photos(results.photos),
        "<h2>The playground, by <code>playground/captioner</code></h2><div class=items>",
        *(_card(_player(item), [("truth", item.sentences[0]), ("caption", text)]) for item, text in results.shipped),
        "</div><h2>The four methods</h2>",
        _table(list(tested), results.rows),
        METHODS_LINE,
        "<p>Factors: the share of the item's factors that a caption states right. It is also shown in gray behind each"
        " caption. CIDEr and BLEU-4 compare a caption with the item's sentences.</p>",
    ]
    for modality, items in tested.items():
        parts += _captioned(modality, items, shown, results.captions[modality])
    parts.append("<h2>Geometry</h2><p>The gap between the embeddings of each modality and those of its sentences.</p>")
    for modality in tested:
        for plot in sorted((out / "geometry" / modality).glob("*.png")):
            image = f"<img alt='{modality} {plot.stem}' src='{data_uri(plot, 'image/png')}'>"
            parts.append(f"<h3>{modality}</h3><div class=plots>{image}</div>")
    write_html(out / "index.html", "c3core demo", parts)


def _photos(photos: Sequence[tuple[Any, str]]) -> list[str]:
    cards = (
        f"<figure><img alt='{escape(Path(path).stem)}' src='{data_uri(Path(path), 'image/jpeg')}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for path, caption in photos
    )
    head = "<h2>Photos, by <code>photos/captioner</code></h2><div class=photos>"
    return [head, *cards, "</div>"] if photos else []


def _table(modalities: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{modality} {name}</th>" for modality in modalities for name in FIGURES.values())
    figures = {(row["method"], row["modality"], key): row[key] for row in rows for key in FIGURES}
    best = {
        (modality, key): max(figures[method, modality, key] for method in METHODS)
        for modality in modalities
        for key in FIGURES
    }
    body = []
    for method, symbol in METHODS.items():
        cells = ""
        for column, most in best.items():
            value = figures[method, *column]
            cells += f"<td{' class=best' if value == most else ''}>{value:.1f}</td>"
        body.append(f"<tr><td>{symbol}</td>{cells}</tr>")
    return f"<div class=wide><table><tr><th>method</th>{head}</tr>{''.join(body)}</table></div>"


def _captioned(modality: str, items: Sequence[Item], shown: int, captions: Mapping[str, Sequence[str]]) -> list[str]:
    """The first `shown` items with the caption of each method. All but a few are folded."""
    cards, rights = [], []
    for number, item in enumerate(items[:shown]):
        lines = [("truth", item.sentences[0])] + [(METHODS[method], captions[method][number]) for method in METHODS]
        right = [100 * accuracy(text, item.scene) for _, text in lines[1:]]
        cards.append(_card(_player(item), lines, right))
        rights.append(right)
    means = ", ".join(
        f"{symbol} {sum(column) / len(column):.0f} %"
        for symbol, column in zip(METHODS.values(), zip(*rights, strict=True), strict=True)
    )
    head = f"<h2>{modality.capitalize()}: the first {len(cards)} of {len(items)} unseen items</h2>"
    parts = [f"{head}<p>The mean factors of these {len(cards)}: {means}.</p><div class=items>", *cards[:OPEN], "</div>"]
    if more := cards[OPEN:]:
        parts += [f"<details><summary>{len(more)} more</summary><div class=items>", *more, "</div></details>"]
    return parts


def _card(player: str, lines: Sequence[tuple[str, str]], right: Sequence[float] = ()) -> str:
    """An item with named lines: the truth first, then captions with the percentage of factors that each has right."""
    figures = ["", *(f" <small>{figure:.0f}\u00a0%</small>" for figure in right)]
    figures += [""] * (len(lines) - len(figures))
    listed = "".join(
        f"<dt>{name}</dt><dd{' class=truth' if name == 'truth' else ''}>{escape(text)}{figure}</dd>"
        for (name, text), figure in zip(lines, figures, strict=True)
    )
    return f"<div class=item>{player}<dl>{listed}</dl></div>"


def _player(item: Item) -> str:
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "item"
        if item.modality == "image":
            write_png(item.data, path.with_suffix(".png"))
            return f"<img alt='{item.id}' src='{data_uri(path.with_suffix('.png'), 'image/png')}'>"
        if item.modality == "audio":
            write_wav(item.data, path.with_suffix(".wav"))
            return f"<audio controls src='{data_uri(path.with_suffix('.wav'), 'audio/wav')}'></audio>"
        if find_spec("av") is None:  # without PyAV the page shows a GIF instead of a player
            write_gif(item.data, path.with_suffix(".gif"))
            return f"<img alt='{item.id}' src='{data_uri(path.with_suffix('.gif'), 'image/gif')}'>"
        write_mp4(item.data, path.with_suffix(".mp4"))
        source = data_uri(path.with_suffix(".mp4"), "video/mp4")
        return f"<video controls loop muted autoplay playsinline src='{source}'></video>"
