"""What frozen features depend on: the files that they come from, as text for a fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from c3core.io import sha256


@lru_cache(maxsize=16)
def _hash(path: str, size: int, changed: int) -> str:
    return sha256(path)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, computed again only when its size or time of change differs."""
    found = path.stat()
    return _hash(str(path), found.st_size, found.st_mtime_ns)


def identity_of(tower: str, files: Iterable[Path], packages: Iterable[str], settings: Mapping[str, Any]) -> str:
    """One line of JSON: the tower, the hash of each file, the versions of the packages they came in, its settings."""
    parts = {
        "tower": tower,
        "files": {path.name: file_hash(path) for path in files},
        "packages": {name: version(name) for name in packages},
        "settings": dict(settings),
    }
    return json.dumps(parts, sort_keys=True)
