"""`c3 plugins`, `c3 bridges` and `c3 info`: show what is installed, and what a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from c3core.cli.options import Json
from c3core.io.layout import PIPELINE, SPACE, STORE
from c3core.runtime.console import print_json, print_table

if TYPE_CHECKING:
    from c3core.registry.registration import Entry

KINDS = ("pipeline", "space", "store")


def plugins(json: Json = False) -> None:
    """List what plugins bring, and what must be installed for it."""
    from c3core.registry.discovery import entries

    if json:
        print_json([{**asdict(one), "ready": not one.missing, "missing": one.missing} for one in entries()])
        return
    rows = []
    for one in entries():
        needs = f" (pip install {one.install})" if one.missing else ""
        rows.append({**asdict(one), "summary": one.summary + needs})
    print_table(rows, ["kind", "name", "modalities", "summary"])


def bridges(json: Json = False) -> None:
    """List the bridges, with their formulas and papers."""
    from c3core.bridges.presets import list_presets
    from c3core.registry.discovery import registered

    rows = list_presets()
    known = {row["name"] for row in rows}
    others = [found for name, found in registered("bridge").items() if name not in known]
    rows += [{"name": found.name, "formula": found.summary, "paper": f"plugin {found.plugin}"} for found in others]
    if json:
        print_json(rows)
    else:
        print_table(rows, ["name", "formula", "paper"])


def info(
    name: Annotated[str, typer.Argument(help="A folder, or a name that `c3 plugins` lists.")],
    check: Annotated[
        bool, typer.Option("--check", help="Read each row of a store, and report the first fault.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Show every field, not some ten lines.")] = False,
    json: Json = False,
) -> None:
    """Describe a pipeline, a space, a store or a decoder. Shows training, licenses and options."""
    from c3core.errors import C3Error, WrongCall
    from c3core.io.layout import unfinished
    from c3core.pipeline.loading import PIPELINES, pipeline_folder
    from c3core.pipeline.manifest import read_manifest, verify
    from c3core.registry.discovery import entries, registered
    from c3core.spaces.loading import load_space
    from c3core.spaces.serialization import SPACES, SpaceManifest

    name, spaces, every = os.path.expanduser(name), registered("space"), entries()
    names, kinds = [one.name for one in every], (PIPELINES, SPACES)
    named = [found for found in every if found.name == name and found.kind not in KINDS]
    if named and name not in spaces and not os.path.exists(name):
        described = _registered(named[0])
    elif name.partition(":")[0] in spaces and not any(os.path.isfile(Path(name) / f"{one}.json") for one in KINDS):
        try:
            space = load_space(name)
        except C3Error:
            if name not in spaces:
                raise
            described = _registered(spaces[name])  # it needs an argument, as its summary says
        else:
            described = {"kind": "space", "spec": space.spec, "dim": space.dim, "modalities": list(space.modalities)}
    elif ((folder := pipeline_folder(name, kinds=kinds, also=names)) / PIPELINE).is_file() or unfinished(folder):
        manifest = read_manifest(folder)
        verify(folder, manifest)
        described = {"kind": "pipeline", **manifest.model_dump(mode="json"), "options": _options(manifest.decoder.name)}
    elif (folder / SPACE).is_file():
        described = {"kind": "space", **SpaceManifest.read(folder).model_dump(mode="json")}
    elif (folder / STORE).is_file():
        from c3core.store.shard import StoreManifest
        from c3core.store.store import Store

        described = {"kind": "store", **StoreManifest.read(folder).model_dump(mode="json")}
        if check or described["complete"]:
            store = Store.open(folder)  # raises an error for a missing or truncated shard
            if check:
                store.check()
                described["checked"] = "each row is complete, finite and of unit norm"
    else:
        raise WrongCall(f"{folder} is neither a pipeline, a space nor a store: it holds the file of none.")
    if json:
        print_json(described)
    else:
        _describe(described) if full else _print_short(described)


def _print_short(described: dict[str, Any]) -> None:
    """Print what to know first, in some ten lines."""
    shown = {name: value for name, value in described.items() if not isinstance(value, dict)}
    if described["kind"] == "pipeline":
        space, bridge, decoder = (described[part] for part in ("space", "bridge", "decoder"))
        trainings, counts = described["trained_on"], dict[str, int]()
        for training in trainings:
            counts |= training["statistics_of"]
        last = trainings[-1]
        pairs = " pairs" if last["supervised"] else ""
        shown = {
            "pipeline": f"{space['spec']} → {bridge['name']} → {decoder['name']}",
            "takes": bridge["config"].get("modalities", []),
            "makes": decoder["modality"],
            "trained on": f"{last['rows']:,} {last['modality']}{pairs}" if last["rows"] else "nothing",
            "earlier trainings": len(trainings) - 1,
            "means of": [f"{count:,} {name}" for name, count in counts.items()],
            "licenses": _distinct(described["licenses"].values()),
            "saved by": f"c3core {described['c3core']}",
        }
    if described["kind"] == "store":
        encoder = described["encoder"]
        shown = {
            "store": f"{described['rows']:,} {encoder['modality']} embeddings of {encoder['dim']} dimensions",
            "space": encoder["space"],
            "complete": str(described["complete"]),
            "could not be read": described["bad"],
            "shards": len(described["shards"]),
            "checked": described.get("checked"),
        }
    if "encoders" in described:
        from c3core.spaces.serialization import SpaceManifest

        manifest = SpaceManifest.model_validate({name: value for name, value in described.items() if name != "kind"})
        shown = {
            "space": f"{manifest.name}, {manifest.dim} dimensions",
            "modalities": [*manifest.encoders],
            "trained on": manifest.trained_on,
            "held-out pairs": [
                f"{pair} R@1 {100 * of['x_to_y']:.1f} and {100 * of['y_to_x']:.1f} %"
                + (f", noise_std {of['noise_std']:.4f}" if "noise_std" in of else "")
                for pair, of in manifest.figures.items()
            ],
            "licenses": _distinct(spec.license for spec in manifest.encoders.values()),
        }
    shown |= {"in a recipe": [*described.get("settings", {})], "c3 run -o": [*described.get("options", {})]}
    for name, value in shown.items():
        if value:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            print(fill(f"{name}: {text}", width=100, subsequent_indent="  "))
    if any(isinstance(value, dict) for value in described.values()):
        print("--full shows every field.")


def _distinct(texts: Iterable[str]) -> list[str]:
    """Each text once, without those that are part of another."""
    distinct = list(dict.fromkeys(texts))
    return [one for one in distinct if not any(one in other for other in distinct if other != one)]


def _registered(found: Entry) -> dict[str, Any]:
    """What a plugin registered under a name; for a decoder also its settings and options."""
    about = {"kind": found.kind, "name": found.name, "plugin": found.plugin, "modalities": list(found.modalities)}
    about |= {"summary": found.summary} if found.summary else {}
    if found.kind != "decoder":
        return about
    return about | {"settings": _options(found.name, "settings_class"), "options": _options(found.name)}


def _options(decoder: str, of: str = "options_class") -> dict[str, str]:
    """The options of a decoder, or its settings, with their defaults; none if the plugin cannot be loaded."""
    from c3core.errors import C3Error
    from c3core.registry.discovery import registered

    try:
        fields = getattr(registered("decoder")[decoder].load(), of).model_fields
    except (KeyError, C3Error):
        return {}
    described = {}
    for name, field in fields.items():
        default = "required" if field.is_required() else str(field.get_default(call_default_factory=True)) or "''"
        described[name] = default + (f" ({field.description})" if field.description else "")
    return described


def _describe(value: object, indent: str = "") -> None:
    """Print nested values as indented lines. Long lists and texts are cut; --json prints them whole."""
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
