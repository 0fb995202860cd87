"""Names of the files that mark a folder as a pipeline, a space or a store."""

from __future__ import annotations

from pathlib import Path

PIPELINE, SPACE, STORE = "pipeline.json", "space.json", "store.json"


def unfinished(folder: Path) -> bool:
    """Whether a training of a pipeline or a space was begun in the folder, and not yet saved."""
    return (folder / "run" / "run.json").is_file() and not any((folder / name).is_file() for name in (PIPELINE, SPACE))
