"""The demo's page: one HTML file with its media inside, which opens without a server."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from c3_playground.world import Item, accuracy
from c3_playground.world.media.export import write_gif, write_mp4, write_wav
from c3core.io import write_text
from c3core.media import write_png

FIGURES = {"cider": "CIDEr", "bleu4": "BLEU-4", "factor_accuracy": "factors %"}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1c1e21;background:#fff}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{margin-top:2.4rem}p.lead{color:#555;margin-top:0}
table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .8rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}td.best{font-weight:600}
.items{display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:1rem}
.item{border:1px solid #ddd;border-radius:8px;padding:.8rem}
.item img,.item video{width:192px;height:192px;image-rendering:pixelated;display:block;border-radius:4px}
.item audio{width:100%}dl{margin:.6rem 0 0;font-size:.9rem}dt{float:left;clear:left;font-weight:600}
dd{margin:0 0 .2rem 3.2rem}dd.truth{color:#0a7f3f}dd small{color:#888}
.plots img{max-width:100%}@media(prefers-color-scheme:dark){body{background:#16181c;color:#e8e8e8}
p.lead,dd small{color:#aaa}th,td,.item{border-color:#444}dd.truth{color:#5fd08f}.plots img{background:#fff}}
"""


@dataclass
class Shown:
    """What the page shows: rows of the table, items with their captions, and the geometry of each modality."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    captions: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # modality → method → captions
    geometry: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_page(
    out: Path, tested: Mapping[str, Sequence[Item]], shown_items: int, methods: Mapping[str, str], shown: Shown
) -> None:
    """Write `index.html`: the table, the gallery with players, the geometry plots."""
    modalities = list(tested)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>c3core demo</title><style>{STYLE}</style>",
        "<h1>Captions without paired data</h1>",
        "<p class=lead>Captioners that learned from sentences alone caption pictures, videos and sounds they never"
        " met.</p>",
        _table(modalities, methods, shown.rows),
        "<p>C¹: connect alone. C²₁: and collapse. C²₂: and corrupt instead. C³: all three. Factors: how much of the"
        " item a caption"
        " tells, less what is wrong in it; below, in grey, that of each caption. CIDEr and BLEU-4 compare with the"
        " item's"
        " sentences.</p>",
    ]
    for modality in modalities:
        parts.append(f"<h2>{modality.capitalize()}</h2><div class=items>")
        for number, item in enumerate(tested[modality][:shown_items]):
            captions = {method: shown.captions[modality][method][number] for method in methods}
            parts.append(_item(item, methods, captions))
        parts.append("</div>")
    parts.append(
        "<h2>Geometry</h2><p>The gap between each modality's embeddings and those of its sentences, as measured.</p>"
    )
    for modality in modalities:
        for plot in sorted((out / "geometry" / modality).glob("*.png")):
            image = f"<img alt='{modality} {plot.stem}' src='{data_uri(plot, 'image/png')}'>"
            parts.append(f"<h3>{modality}</h3><div class=plots>{image}</div>")
    write_text(out / "index.html", "\n".join(parts))


def _table(modalities: Sequence[str], methods: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{modality} {name}</th>" for modality in modalities for name in FIGURES.values())
    figures = {(row["method"], row["modality"], key): row[key] for row in rows for key in FIGURES}
    best = {
        (modality, key): max(figures[method, modality, key] for method in methods)
        for modality in modalities
        for key in FIGURES
    }
    body = []
    for method, symbol in methods.items():
        cells = ""
        for column, most in best.items():
            value = figures[method, *column]
            cells += f"<td{' class=best' if value == most else ''}>{value:.1f}</td>"
        body.append(f"<tr><td>{symbol}</td>{cells}</tr>")
    return f"<table><tr><th>method</th>{head}</tr>{''.join(body)}</table>"


def _item(item: Item, methods: Mapping[str, str], captions: Mapping[str, str]) -> str:
    lines = [f"<dt>truth</dt><dd class=truth>{escape(item.sentences[0])}</dd>"]
    for method, symbol in methods.items():
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
        if find_spec("av") is None:  # no player without PyAV: a GIF plays by itself
            write_gif(item.data, path.with_suffix(".gif"))
            return f"<img alt='{item.id}' src='{data_uri(path.with_suffix('.gif'), 'image/gif')}'>"
        write_mp4(item.data, path.with_suffix(".mp4"))
        source = data_uri(path.with_suffix(".mp4"), "video/mp4")
        return f"<video controls loop muted autoplay playsinline src='{source}'></video>"


def data_uri(path: Path, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode()}"
