"""The command."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from c3core.cli import Seed, writable

NEEDS = {  # what each task imports beside the core
    "caption": ("transformers", "pycocoevalcap", "matplotlib", "soundfile"),
    "draw": ("diffusers", "torch_fidelity"),
}


def demo(
    task: Annotated[str, typer.Option(help="caption or draw.")] = "caption",
    out: Annotated[
        Path, typer.Option(help="Folder for results.json and index.html.", parser=writable, metavar="<folder>")
    ] = Path("demo"),
    seed: Seed = 0,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all that the demo has: every modality, every decoder.")
    ] = False,
) -> None:
    """Show the method on the playground, without a download."""
    from c3core.errors import NotInstalled, WrongCall, near

    if task not in NEEDS:
        raise WrongCall(f"no demo is called {task!r}: {near(task, NEEDS)}")
    if missing := [module for module in NEEDS[task] if find_spec(module) is None]:
        raise NotInstalled(f'the demo needs {", ".join(missing)}. Install all that it shows: pip install "c3core[all]"')
    import_module(f"c3_playground.demo.{task}").demo(out=out, seed=seed, everything=everything)
