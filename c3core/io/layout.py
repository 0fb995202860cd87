"""Paths that users give, and the files that make a folder a pipeline, a space or a store."""

from __future__ import annotations

import os
from pathlib import Path

PIPELINE, SPACE, STORE = "pipeline.json", "space.json", "store.json"
FAMILIAR = "familiar.safetensors"  # of a pipeline or a space: what tells items that are unlike those it knows


def path_of(name: str | os.PathLike[str]) -> Path:
    """A path that a user gives, with `~` as the home folder.

    >>> path_of("~/captioner") == Path.home() / "captioner"
    True
    """
    return Path(os.path.expanduser(name))


def unfinished(folder: Path) -> bool:
    """Whether the folder holds a training of a pipeline or a space that is not finished."""
    return (folder / "run" / "run.json").is_file() and not any((folder / name).is_file() for name in (PIPELINE, SPACE))
