"""The model card of a saved pipeline, `README.md`: what it is, what it was trained on, licenses, how to use it."""

from __future__ import annotations

from typing import Any

from c3core.bridges.presets import PRESETS
from c3core.io.model_card import markdown_table, write_card
from c3core.pipeline.manifest import Manifest


def card(manifest: Manifest, name: str) -> str:
    """The text of the card of a pipeline that is called `name`."""
    takes, makes = manifest.bridge.config.get("modalities", []), manifest.decoder.modality
    parts = [
        f"A pipeline of c3core: it takes {', '.join(takes) or 'any modality of its space'}, and makes {makes}.",
        _use(name, makes),
        "## What it is",
        markdown_table(["part", "name", ""], _parts(manifest)),
        "## What it was trained on",
        markdown_table(["learned from", "steps", "validation loss", "means of"], map(_training, manifest.trained_on)),
        "## Licenses of the weights",
        markdown_table(["part", "license"], manifest.licenses.items()),
        "## How far to trust it",
        "It knows what it was trained on. An input that is unlike these items, or unlike what the space was trained on,"
        " gets an output that says little of it. Score it on your own pairs: `c3 evaluate PIPELINE table.csv`.",
    ]
    tags = [f"{modality}-to-{makes}" for modality in takes if modality != makes]
    return write_card(name, manifest.licenses.values(), tags, parts)


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
