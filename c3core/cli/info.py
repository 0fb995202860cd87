"""`c3 plugins`, `c3 bridges`, `c3 info`: what is installed, and what a folder holds."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from c3core.runtime.console import print_json, print_table

if TYPE_CHECKING:
    from c3core.registry.discovery import Entry

KINDS = ("pipeline", "space", "store")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def plugins(json: Json = False) -> None:
    """List what plugins bring, and what is missing for it."""
    from c3core.registry.discovery import entries

    rows = []
    for found in entries():
        status = "ready" if not found.missing else f"needs {', '.join(found.missing)}"
        rows.append({**asdict(found), "ready": not found.missing, "missing": found.missing, "status": status})
    if json:
        print_json([{key: value for key, value in row.items() if key != "status"} for row in rows])
    else:
        print_table(rows, ["kind", "name", "modalities", "plugin", "extra", "status"])


def bridges(json: Json = False) -> None:
    """List the bridges with their formulas and papers."""
    from c3core.bridges.presets import list_presets
    from c3core.registry.discovery import registered

    rows = list_presets()
    known = {row["name"] for row in rows}
    brought = [found for name, found in registered("bridge").items() if name not in known]
    rows += [{"name": found.name, "formula": found.summary, "paper": f"plugin {found.plugin}"} for found in brought]
    if json:
        print_json(rows)
    else:
        print_table(rows, ["name", "formula", "paper"])


def info(
    name: Annotated[str, typer.Argument(help="A folder, or the name of something that a plugin brings.")],
    check: Annotated[bool, typer.Option("--check", help="Read every row of a store, and say what is wrong.")] = False,
    json: Json = False,
) -> None:
    """Describe a pipeline, a space, a store or a decoder. What it is, was trained on, its licenses and options."""
    from c3core.errors import WrongCall
    from c3core.io.layout import unfinished
    from c3core.pipeline.loading import pipeline_folder
    from c3core.pipeline.manifest import read_manifest, verify
    from c3core.registry.discovery import entries, registered
    from c3core.spaces.loading import load_space

    name, spaces = os.path.expanduser(name), registered("space")
    brought = [found for found in entries() if found.name == name and found.kind not in KINDS]
    if brought and name not in spaces and not os.path.exists(name):
        described = _brought(brought[0])
    elif name.partition(":")[0] in spaces and not any(os.path.isfile(Path(name) / f"{one}.json") for one in KINDS):
        space = load_space(name)
        described = {"kind": "space", "spec": space.spec, "dim": space.dim, "modalities": list(space.modalities)}
    elif ((folder := pipeline_folder(name, also=spaces)) / "pipeline.json").is_file() or unfinished(folder):
        manifest = read_manifest(folder)
        verify(folder, manifest)
        described = {"kind": "pipeline", **manifest.model_dump(mode="json"), "options": _options(manifest.decoder.name)}
    elif (folder / "space.json").is_file():
        described = {"kind": "space", **_fields(folder / "space.json")}
    elif (folder / "store.json").is_file():
        described = {"kind": "store", **_fields(folder / "store.json")}
        if check or described.get("complete"):
            from c3core.store.store import Store

            store = Store.open(folder)  # which sees a shard that is missing or cut short
            if check:
                store.check()
                described["checked"] = "every row is whole, of unit norm and finite"
    else:
        raise WrongCall(
            f"{folder} is neither a pipeline, a space nor a store: it has no pipeline.json, space.json or store.json."
        )
    if json:
        print_json(described)
    else:
        _describe(described)


def _brought(found: Entry) -> dict[str, Any]:
    """What a plugin says of something that it brings; of a decoder its options, too."""
    about = {"kind": found.kind, "name": found.name, "plugin": found.plugin, "modalities": list(found.modalities)}
    about |= {"summary": found.summary} if found.summary else {}
    return about | ({"options": _options(found.name)} if found.kind == "decoder" else {})


def _options(decoder: str) -> dict[str, str]:
    """The options of `c3 run -o`, with their defaults; none where the decoder cannot be loaded here."""
    from c3core.errors import C3Error
    from c3core.registry.discovery import registered

    try:
        fields = registered("decoder")[decoder].load().options_class.model_fields
    except (KeyError, C3Error):
        return {}
    said = {}
    for name, field in fields.items():
        default = "required" if field.is_required() else str(field.get_default(call_default_factory=True)) or "''"
        said[name] = default + (f" ({field.description})" if field.description else "")
    return said


def _fields(path: Path) -> dict[str, Any]:
    from c3core.errors import CorruptFile
    from c3core.io.files import read_json

    values = read_json(path)
    if not isinstance(values, dict):
        raise CorruptFile(f"{path} does not hold fields. It was changed by something else: make it again.")
    return values


def _describe(value: object, indent: str = "") -> None:
    """Nested values as indented lines; long lists and texts are cut, the JSON form has them whole."""
    assert isinstance(value, dict)
    for key, entry in value.items():
        if isinstance(entry, dict) and entry:
            print(f"{indent}{key}:")
            _describe(entry, indent + "  ")
        elif isinstance(entry, list) and entry and isinstance(entry[0], dict):
            for number, part in enumerate(entry, start=1):
                print(f"{indent}{key}:" if len(entry) == 1 else f"{indent}{key}, {number} of {len(entry)}:")
                _describe(part, indent + "  ")
        else:
            text = str(entry)
            print(f"{indent}{key}: {text if len(text) <= 100 else text[:97] + '…'}")


COMMANDS = (plugins, bridges, info)
