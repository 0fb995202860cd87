"""What the commands that train by a recipe share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from c3core.io.layout import PIPELINE, SPACE, STORE

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")


@contextmanager
def resumable() -> Iterator[None]:
    """Say on Ctrl-C how to resume, if nothing else does."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or "stopped. Run the same command again to continue.") from None


def read_changed(path: Path, model: type[Model], change: list[str], dry: bool) -> Model:
    """Read a recipe with the changes of `--set`, and of `--dry-run`."""
    from c3core.experiments.recipe import dry_run, read_recipe
    from c3core.io.yaml_text import named_values

    read = read_recipe(path, model, changes=named_values(change))
    return dry_run(read) if dry else read


def run_folder(out: Path, dry: bool, manifest: str | None = None) -> Path:
    """The folder to train in: `out`, or for a dry run an empty one in it.

    Raises `WrongCall` for a folder that holds files, but neither a training nor what has this `manifest`.
    """
    from c3core.errors import WrongCall
    from c3core.runtime.devices import processes

    held = {path.name for path in out.iterdir() if path.name[0] != "."} if manifest and out.is_dir() else set()
    if other := held & {PIPELINE, SPACE, STORE} - {manifest}:
        raise WrongCall(f"{out} holds a {other.pop().removesuffix('.json')}. Choose another --out.")
    if held and not held & {manifest, "run", "dry-run"}:
        raise WrongCall(f"{out} is not empty, and holds nothing of this command. Choose another --out.")
    if not dry:
        return out
    folder = out / "dry-run"
    if processes().is_main_process and folder.is_dir():
        shutil.rmtree(folder)
    processes().wait_for_everyone()
    return folder


def trial(folder: Path) -> str:
    """What to print after a dry run."""
    return f"The recipe works. {folder} holds a trial of two steps."
