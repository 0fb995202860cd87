"""Write the page of the captioning demo: the table, items with their captions, and the geometry."""

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


FIGURES = {"cider": "CIDEr", "bleu4": "BLEU-4", "factor_accuracy": "factors %"}


@dataclass
class Results:
    """What the page shows: the rows of the table, captions of items, and the geometry of each modality."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    captions: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # by modality and method
    geometry: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_page(out: Path, tested: Mapping[str, Sequence[Item]], shown: int, results: Results) -> None:
    """Write `index.html` with the first `shown` items of each modality."""
    modalities = list(tested)
    parts = [
        "<h1>Captions without paired data</h1>",
        "<p class=lead>Captioners that learned only from sentences caption pictures, videos and sounds they never"
        " saw.</p>",
        _table(modalities, results.rows),
        METHODS_LINE,
        "<p>Factors: the share of the item's factors that a caption states right. It is also shown in gray behind each"
        " caption. CIDEr and BLEU-4 compare a caption with the item's sentences.</p>",
    ]
    for modality in modalities:
        parts.append(f"<h2>{modality.capitalize()}</h2><div class=items>")
        for number, item in enumerate(tested[modality][:shown]):
            captions = {method: results.captions[modality][method][number] for method in METHODS}
            parts.append(_item(item, captions))
        parts.append("</div>")
    parts.append("<h2>Geometry</h2><p>The gap between the embeddings of each modality and those of its sentences.</p>")
    for modality in modalities:
        for plot in sorted((out / "geometry" / modality).glob("*.png")):
            image = f"<img alt='{modality} {plot.stem}' src='{data_uri(plot, 'image/png')}'>"
            parts.append(f"<h3>{modality}</h3><div class=plots>{image}</div>")
    write_html(out / "index.html", "c3core demo", parts)


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
    return f"<table><tr><th>method</th>{head}</tr>{''.join(body)}</table>"


def _item(item: Item, captions: Mapping[str, str]) -> str:
    lines = [f"<dt>truth</dt><dd class=truth>{escape(item.sentences[0])}</dd>"]
    for method, symbol in METHODS.items():
        right = f"<small>{100 * accuracy(captions[method], item.scene):.0f}\u00a0%</small>"
        lines.append(f"<dt>{symbol}</dt><dd>{escape(captions[method])} {right}</dd>")
    return f"<div class=item>{_player(item)}<dl>{''.join(lines)}</dl></div>"


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
