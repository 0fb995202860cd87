"""Compute checksums of sources, to know whether a run continues with the same data as before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from c3core.contracts import name_of
from c3core.data.sources import Source


def checksum(sources: Iterable[Any]) -> int:
    """A checksum of sources in their order: see `source_checksum`."""
    total = 0
    for position, source in enumerate(sources):
        total = source_checksum(Source(str(position), source), total)
    return total


def source_checksum(source: Source, before: int) -> int:
    """A checksum of `source` and of those `before` it.

    It covers the id, the name, the content of arrays and numbers, and the size and modification time (in seconds) of a
    file. Other objects count only by their type.
    """
    name = f"{source.id}\0{name_of(source.source)}\0{_file_state(source.source)}"
    return _content(source.source, crc32(name.encode(errors="backslashreplace"), before))


def _file_state(source: Any) -> str:
    """The size and modification time of the file that a source names; "" if it names none, as a sentence."""
    if not isinstance(source, str | os.PathLike):
        return ""
    try:
        found = os.stat(os.path.expanduser(source))
    except (OSError, ValueError):  # ValueError: a NUL in a sentence
        return ""
    return f"{found.st_size} {int(found.st_mtime)}" if stat.S_ISREG(found.st_mode) else ""


def _content(value: Any, before: int) -> int:
    """A checksum of arrays, numbers, and sequences and mappings of them, as (wave, rate)."""
    if isinstance(value, Mapping):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple):
        for part in value:
            before = _content(part, before)
        return crc32(str(len(value)).encode(), before)
    before = crc32(f"{getattr(value, 'dtype', '')}{getattr(value, 'shape', '')}".encode(), before)
    if isinstance(value, Tensor):
        value = value.detach().cpu().reshape(-1).view(torch.uint8).numpy()
    if hasattr(value, "tobytes"):
        return crc32(value.tobytes(), before)
    if isinstance(value, str | bytes | int | float):
        return crc32(repr(value).encode(errors="backslashreplace"), before)
    return before
