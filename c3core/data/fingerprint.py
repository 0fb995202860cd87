"""Checksums of sources: whether a run goes on with the same data as before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from c3core.contracts import name_of
from c3core.data.sources import Source


def checksum(sources: Iterable[Any]) -> int:
    """A checksum of some sources in their order."""
    mark = 0
    for position, source in enumerate(sources):
        mark = source_checksum(Source(str(position), source), mark)
    return mark


def source_checksum(source: Source, before: int) -> int:
    """A checksum of the sources up to this one. Of an object that shows neither bytes nor parts only the id counts."""
    mark = crc32(f"{source.id}\0{name_of(source.source)}".encode(errors="backslashreplace"), before)
    return _content(source.source, mark)


def _content(value: Any, mark: int) -> int:
    """The checksum of what an object holds: arrays, numbers, and sequences and mappings of them, as (wave, rate)."""
    if isinstance(value, Mapping):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple):
        for part in value:
            mark = _content(part, mark)
        return crc32(str(len(value)).encode(), mark)
    mark = crc32(f"{getattr(value, 'dtype', '')}{getattr(value, 'shape', '')}".encode(), mark)
    if isinstance(value, Tensor):
        value = value.detach().cpu().reshape(-1).view(torch.uint8).numpy()
    if hasattr(value, "tobytes"):
        return crc32(value.tobytes(), mark)
    if isinstance(value, str | bytes | int | float):
        return crc32(repr(value).encode(errors="backslashreplace"), mark)
    return mark
