"""What the commands that train by a recipe share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

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


TRIAL = ".trial"  # in the folder of a dry run: the files that it wrote, and when


@contextmanager
def replaced_trial(out: Path, dry: bool) -> Iterator[None]:
    """Remove the trial that a dry run left in `out`, if no file of it changed since.

    Inside, a dry run may write a new one.
    """
    from c3core.io.files import read_json, write_json
    from c3core.runtime.devices import processes

    if processes().is_main_process and (out / TRIAL).is_file():
        written = read_json(out / TRIAL)
        made = {name.partition("/")[0] for name in written}
        if _files(out, made) == written:
            for path in (out / name for name in made):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (out / TRIAL).unlink()
    processes().wait_for_everyone()
    before = _names(out)
    try:
        yield
    finally:
        if dry and (made := _names(out) - before) and processes().is_main_process:
            write_json(out / TRIAL, _files(out, made))


def _files(folder: Path, within: set[str]) -> dict[str, int]:
    """The files of a folder, or in its folders, whose first name is among these, and when each was changed (ns)."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {name.as_posix(): path.stat().st_mtime_ns for name, path in files.items() if name.parts[0] in within}


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def trial(out: Path) -> str:
    """What to print after a dry run."""
    return f"The recipe works. {out} holds a trial of two steps, which the same command without --dry-run replaces."
