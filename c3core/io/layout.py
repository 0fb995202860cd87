"""Paths that users give, and the files that make a folder a pipeline, a space or a store."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PIPELINE, SPACE, STORE = "pipeline.json", "space.json", "store.json"
FAMILIAR = "familiar.safetensors"  # of a pipeline or a space: what tells items that are unlike those it knows

_FOLDERS = re.compile(r"(?:^|(?<=[:=]))/(?!/)(?:[^/?&:]+/)*(?=[^/?&:])")  # of an absolute path, alone or in an argument


def path_of(name: str | os.PathLike[str]) -> Path:
    """A path that a user gives, with `~` as the home folder.

    >>> path_of("~/captioner") == Path.home() / "captioner"
    True
    """
    return Path(os.path.expanduser(name))


def without_folders(value: Any) -> Any:
    """A recipe's field whose absolute paths are shortened to names: what is shared tells of no machine.

    >>> without_folders({"items": ["/home/me/photos/train.csv:image", "karpathy:/data/a.json?images=/data/photos"]})
    {'items': ['train.csv:image', 'karpathy:a.json?images=photos']}
    >>> without_folders("photos/train.csv"), without_folders("https://example.org/a/b.csv")
    ('photos/train.csv', 'https://example.org/a/b.csv')
    """
    if isinstance(value, Mapping):
        return {name: without_folders(field) for name, field in value.items()}
    if isinstance(value, list):
        return [without_folders(one) for one in value]
    return _FOLDERS.sub("", value) if isinstance(value, str) else value


def unfinished(folder: Path) -> bool:
    """Whether the folder holds a training of a pipeline or a space that is not finished."""
    return (folder / "run" / "run.json").is_file() and not any((folder / name).is_file() for name in (PIPELINE, SPACE))
