"""Load a pipeline by its folder or by the name of one that a plugin ships."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from c3core.contracts import Space
from c3core.errors import WrongCall, near
from c3core.pipeline.pipeline import Pipeline
from c3core.registry.discovery import entry, registered


def load_pipeline(
    name: str | Path, *, device: str = "auto", precision: str = "float32", space: Space | None = None
) -> Pipeline:
    """A pipeline by its folder, or by the name of one that a plugin ships.

    `space` stands in for the one that it was saved with.
    """
    return Pipeline.load(pipeline_folder(name), device=device, precision=precision, space=space)


def pipeline_folder(name: str | Path, *, also: Iterable[str] = ()) -> Path:
    """The folder of a pipeline: `name` itself, or that of one that a plugin ships under this name.

    `also` are names that the caller knows of, for the hint.
    """
    if os.path.exists(folder := os.path.expanduser(name)):
        return Path(folder)
    shipped = registered("pipeline")
    if str(name) not in shipped:
        hint = f"{near(str(name), [*shipped, *also])} `c3 fit` writes one."
        raise WrongCall(f"no pipeline at {name}: there is no such folder, and no pipeline of that name: {hint}")
    shipped_folder: Path = entry("pipeline", str(name)).load()()
    return shipped_folder
