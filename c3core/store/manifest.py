"""`store.json`: what a store holds, and which encoder made it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from c3core.io.layout import STORE
from c3core.io.validation import read_checked
from c3core.store.shard import EncoderInfo
from c3core.version import __version__


class StoreManifest(BaseModel):
    """`store.json`. The numbers are written when the store is complete; until then only the shards tell."""

    format: Literal[1] = 1
    encoder: EncoderInfo
    complete: bool = False
    rows: int = 0
    bad: int = 0
    consumed: int = 0  # inputs: a row each, or bad
    checksum: str = ""  # of the inputs
    shards: list[int] = []  # the rows of each shard
    c3core: str = __version__

    @classmethod
    def read(cls, folder: Path) -> StoreManifest:
        return read_checked(cls, folder / STORE)
