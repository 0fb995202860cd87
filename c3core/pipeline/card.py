"""The model card of a saved pipeline, `README.md`: what it is, what it was trained on, licenses, how to use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from c3core.bridges.presets import PRESETS
from c3core.pipeline.manifest import Manifest

WRITTEN = "<!-- Written by c3core from pipeline.json. Remove this line to keep your own text. -->"


def is_own_card(path: Path) -> bool:
    """Whether a user wrote the card: it is there, and lacks the line that says otherwise."""
    return path.is_file() and WRITTEN not in path.read_text(encoding="utf-8", errors="replace")


def card(manifest: Manifest, name: str) -> str:
    """The text of the card of a pipeline that is called `name`."""
    takes, makes = manifest.bridge.config.get("modalities", []), manifest.decoder.modality
    licenses = sorted(set(manifest.licenses.values()))
    about = {
        "library_name": "c3core",
        "license": licenses[0] if len(licenses) == 1 else "other",
        "tags": ["c3", *(f"{modality}-to-{makes}" for modality in takes if modality != makes)],
    }
    parts = [
        f"---\n{yaml.safe_dump(about, sort_keys=False)}---",
        WRITTEN,
        f"# {name}",
        f"A pipeline of c3core: it takes {', '.join(takes) or 'any modality of its space'}, and makes {makes}.",
        _use(name, makes),
        "## What it is",
        _table(["part", "name", ""], _parts(manifest)),
        "## What it was trained on",
        _table(["learned from", "steps", "validation loss", "means of"], map(_training, manifest.trained_on)),
        "## Licenses of the weights",
        _table(["part", "license"], manifest.licenses.items()),
        "## How far to trust it",
        "It knows what it was trained on. An input that is unlike these items, or unlike what the space was trained on,"
        " gets an output that says little of it. Score it on your own pairs: `c3 evaluate PIPELINE table.csv`.",
    ]
    return "\n\n".join(parts) + "\n"


def _use(name: str, makes: str) -> str:
    python = f'import c3core\n\npipeline = c3core.load_pipeline("{name}")\npipeline("INPUT")'
    shell = f"c3 run {name} INPUT" + ("" if makes == "text" else " --out FOLDER")
    return f"```python\n{python}\n```\n\n```sh\n{shell}\n```"


def _parts(manifest: Manifest) -> list[tuple[str, str, str]]:
    bridge = manifest.bridge.name
    formula = PRESETS[bridge].formula_with(manifest.bridge.config) if bridge in PRESETS else ""
    return [
        ("space", manifest.space.spec, f"{manifest.space.dim} dimensions"),
        ("bridge", bridge, formula.replace("|", "\\|")),
        ("decoder", manifest.decoder.name, f"makes {manifest.decoder.modality}"),
    ]


def _training(entry: dict[str, Any]) -> tuple[str, ...]:
    learned = f"{entry['rows']:,} {entry['modality']}" if entry["rows"] else "–"
    if entry["supervised"]:
        learned += " (pairs)"
    loss = entry.get("validation_loss")
    means = ", ".join(f"{count:,} {modality}" for modality, count in entry["statistics_of"].items())
    return learned, str(entry.get("steps", "–")), "–" if loss is None else f"{loss:.3f}", means


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
