"""Describe what frozen features depend on, for the fingerprint of an encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from c3core.io import sha256


def identity_of(tower: str, files: Iterable[Path], packages: Iterable[str], settings: Mapping[str, Any]) -> str:
    """A line of JSON: the tower, the hash of each file, the versions of the packages and the settings."""
    parts = {
        "tower": tower,
        "files": {path.name: _file_hash(path) for path in files},
        "packages": {name: version(name) for name in packages},
        "settings": dict(settings),
    }
    return json.dumps(parts, sort_keys=True)


def _file_hash(path: Path) -> str:
    """The SHA-256 of a file. It is computed again only if the file's size or time changes."""
    found = path.stat()
    return _hash(str(path), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=16)
def _hash(path: str, size: int, changed: int) -> str:
    return sha256(path)
