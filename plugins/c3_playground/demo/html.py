"""What the pages of both demos share. A page is one file with its media inside, which opens without a server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from c3core.io import write_text

STYLE = """
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c1e21;background:#fff}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{margin-top:2.4rem;font-size:1.3rem}p.lead{color:#555;margin-top:0}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.3rem .8rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}td.best{font-weight:600}
.items,.photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1rem}
.photos{grid-template-columns:repeat(auto-fill,minmax(min(45%,14rem),1fr))}
figure{margin:0}figure img{width:100%;aspect-ratio:1;object-fit:cover;border-radius:8px}figcaption{font-size:.95rem}
.item{border:1px solid #ddd;border-radius:8px;padding:.8rem;overflow-wrap:anywhere}
.item img,.item video{width:128px;height:128px;image-rendering:pixelated;display:block;border-radius:4px}
.item audio{width:100%}dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .7rem;margin:.6rem 0 0}
dl{font-size:.9rem}dt{font-weight:600}dd{margin:0}dd.truth{color:#0a7f3f}dd small{color:#767676}
details{margin-top:1rem}summary{cursor:pointer;margin-bottom:1rem}
.plots img{max-width:100%}@media(prefers-color-scheme:dark){body{background:#16181c;color:#e8e8e8}
p.lead,dd small{color:#aaa}th,td,.item{border-color:#444}dd.truth{color:#5fd08f}.plots img{background:#fff}}
"""
METHODS_LINE = "<p>C¹: connect only. C²₁: connect and collapse. C²₂: connect and corrupt. C³: all three steps.</p>"


def write_html(path: Path, title: str, body: Sequence[str], *, style: str = "") -> None:
    """Write a page with the shared style and an additional `style`."""
    head = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    write_text(path, "\n".join([head, f"<title>{title}</title><style>{STYLE}{style}</style>", *body]))


def data_uri(path: Path, media: str) -> str:
    """A file as a `data:` address, for the source of an image or a player."""
    return f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode()}"
