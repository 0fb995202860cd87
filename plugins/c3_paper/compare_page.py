"""The page of `c3 compare`: a card for each input, with what each pipeline made of it."""

from __future__ import annotations

import mimetypes
import os
import shutil
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from c3core.contracts import BadItem
from c3core.io import make_folder, write_text

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c1e21;background:#fff}
.items{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:1rem}
.item{border:1px solid #ddd;border-radius:8px;padding:.8rem;overflow-wrap:anywhere}
.item>img,.item video{width:100%;max-height:16rem;object-fit:contain;border-radius:4px}.item audio{width:100%}
dl{margin:.6rem 0 0}dt{font-weight:600;font-size:.85rem;color:#666}dd{margin:0 0 .5rem}
.made{display:flex;flex-wrap:wrap;gap:.6rem}.made figure{margin:0;flex:1 1 8rem;max-width:14rem}
.made img{width:100%;image-rendering:auto}figcaption{font-size:.85rem;color:#666}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e8e8e8}.item{border-color:#444}dt,figcaption{color:#aaa}}
"""
PLAYERS = {"image": "<img src='{}' alt=''>", "audio": "<audio controls src='{}'></audio>"}
PLAYERS["video"] = "<video controls muted loop src='{}'></video>"


def write_page(out: Path, sources: Sequence[Any], outputs: Mapping[str, Sequence[Any]]) -> Path:
    """Write `index.html` and the media that it shows into `out`, and return its path.

    `outputs` are those of each pipeline by its name: sentences, PIL pictures or `BadItem`s, one for each source.
    """
    names = short_names([*outputs])
    cards = []
    for at, source in enumerate(sources):
        made = {names[run]: several[at] for run, several in outputs.items()}
        cards.append(f"<div class=item>{_input(out, at, source)}{_made(out, at, made)}</div>")
    head = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    title = escape(", ".join(names.values()))
    body = [head, f"<title>{title}</title><style>{STYLE}</style>", f"<h1>{title}</h1>", "<div class=items>", *cards]
    write_text(out / "index.html", "\n".join([*body, "</div>"]))
    return out / "index.html"


def short_names(runs: Sequence[str]) -> dict[str, str]:
    """Name each run by its last folders, as few as tell it from the others.

    >>> short_names(["runs/a/c1-0", "runs/a/c3-0"]), short_names(["a/c3", "b/c3"])
    ({'runs/a/c1-0': 'c1-0', 'runs/a/c3-0': 'c3-0'}, {'a/c3': 'a/c3', 'b/c3': 'b/c3'})
    """
    parts = {run: Path(run).parts for run in runs}
    longest = max(map(len, parts.values()))
    for count in range(1, longest + 1):
        names = {run: "/".join(own[-count:]) for run, own in parts.items()}
        if len({*names.values()}) == len(runs):
            break
    return names


def _input(out: Path, at: int, source: Any) -> str:
    """An input as HTML. A file or a picture is copied beside the page."""
    if isinstance(source, str | os.PathLike) and os.path.isfile(source):
        kind = (mimetypes.guess_type(source)[0] or "").partition("/")[0]
        name = f"inputs/{at:03d}{Path(source).suffix}"
        make_folder(out / "inputs")
        shutil.copyfile(source, out / name)
        return PLAYERS.get(kind, "<a href='{}'>file</a>").format(escape(name)) + f"<br>{escape(Path(source).name)}"
    if isinstance(source, Image.Image):
        return PLAYERS["image"].format(_save(out, f"inputs/{at:03d}.png", source))
    return f"<b>{escape(source) if isinstance(source, str) else f'input {at}'}</b>"


def _made(out: Path, at: int, made: Mapping[str, Any]) -> str:
    if any(isinstance(output, Image.Image) for output in made.values()):
        figures = [
            f"<figure>{_output(out, f'{name}/{at:03d}.png', output)}<figcaption>{escape(name)}</figcaption></figure>"
            for name, output in made.items()
        ]
        return f"<div class=made>{''.join(figures)}</div>"
    lines = [f"<dt>{escape(name)}</dt><dd>{_output(out, name, output)}</dd>" for name, output in made.items()]
    return f"<dl>{''.join(lines)}</dl>"


def _output(out: Path, name: str, output: Any) -> str:
    if isinstance(output, Image.Image):
        return f"<img src='{escape(_save(out, name, output))}' alt=''>"
    return escape(f"left out: {output.why}" if isinstance(output, BadItem) else str(output))


def _save(out: Path, name: str, picture: Image.Image) -> str:
    make_folder((out / name).parent)
    picture.save(out / name)
    return name
