"""`c3 init photos`, `c3 init captions`, `c3 init painter`, `c3 init plugin NAME`."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

TEMPLATES = Path(__file__).parent / "templates"
KINDS = {
    "photos": "recipes for photos that have captions, without a download",
    "captions": "a recipe for photos and sentences that do not belong together, with CLIP and GPT-2 from the hub",
    "painter": "recipes for pictures and sentences that do not belong together: a painter that draws sentences",
    "plugin": "a plugin with a space and its tests",
}
HELLO = "hello"  # the name that the plugin's template has


def init(
    kind: Annotated[str | None, typer.Argument(help=f"{', '.join(KINDS)}. Without it, list them.")] = None,
    name: Annotated[str | None, typer.Argument(help="The folder to write; the name of a plugin.")] = None,
) -> None:
    """Write a folder to begin with: recipes, or a plugin. Its README says what to do next."""
    from c3core.errors import WrongCall, near
    from c3core.io import make_folder, path_of, write_text
    from c3core.registry import registered
    from c3core.runtime import print_table

    if kind is None:
        print_table([{"kind": one, "writes": writes} for one, writes in KINDS.items()], ["kind", "writes"])
        return
    if kind not in KINDS:
        raise WrongCall(f"c3 init knows no {kind!r}: {near(kind, KINDS)}")
    if kind == "plugin" and name is None:
        raise WrongCall("say how the plugin is called: c3 init plugin NAME.")
    folder = path_of(name or kind)
    module = folder.name.replace("-", "_").lower()
    if kind == "plugin" and not re.fullmatch(r"[a-z][a-z0-9_]*", module):
        raise WrongCall(f"{folder.name!r} cannot be the name of a Python package. Use letters, digits and hyphens.")
    if kind == "plugin" and find_spec(module):
        raise WrongCall(f"a package {module!r} is installed already. Give the plugin another name.")
    if kind == "plugin" and module in registered("space"):
        raise WrongCall(f"a space {module!r} is registered already. Give the plugin another name.")
    if folder.exists() and any(folder.iterdir()):
        raise WrongCall(f"{folder} is not empty. Name another folder: c3 init {kind} NAME.")
    for template in sorted(path for path in (TEMPLATES / kind).rglob("*") if path.is_file() and path.suffix != ".pyc"):
        place, text = template.relative_to(TEMPLATES / kind).as_posix(), template.read_text(encoding="utf-8")
        if kind == "plugin":
            place, text = (part.replace(HELLO, module) for part in (place, text))
        make_folder((folder / place).parent)
        write_text(folder / place, text)
        print(folder / place)
    print(f"Read {folder / 'README.md'} next.")
