"""Small stores for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from c3core.store.shard import BadInput, EncoderInfo, StoreBatch
from c3core.store.store import Store, StoreWriter

KIND: dict[str, Any] = {"space": "s", "modality": "text", "fingerprint": "f"}


def unit(rows: int, dim: int = 8, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def write(folder: Path, embeddings: Tensor, *, piece: int = 10, shard_rows: int = 25, start: int = 0) -> Store:
    """A store of several shards, with a bad input after each piece."""
    writer = StoreWriter(folder, EncoderInfo(dim=embeddings.shape[1], **KIND), shard_rows=shard_rows)
    for at in range(0, len(embeddings), piece):
        rows = embeddings[at : at + piece]
        ids = [f"id {start + at + k}" for k in range(len(rows))]
        bad = [BadInput(f"bad {at}", "ä\u2028 line", "why not")]
        writer.append(
            StoreBatch(ids, [f"from {name}" for name in ids], rows, torch.arange(at, at + len(rows)) + 1.0), bad=bad
        )
    writer.finish()
    return Store.open(folder)
