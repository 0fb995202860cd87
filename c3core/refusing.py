"""Embedding items that the encoder may refuse: one odd item is bad, and never ends a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from c3core.ending import no_memory
from c3core.errors import C3Error

if TYPE_CHECKING:
    from c3core.contracts import Encoder

Taken = tuple[Tensor, Tensor, dict[int, str]]

LEAST_NORM = 1e-12  # an embedding that is shorter has no direction


def embed_taken(encoder: Encoder, items: Sequence[Any]) -> Taken:
    """Unit embeddings (m, dim) and norms (m,) of the items that the encoder takes, and by position why it takes no others.

    Refused are items that the encoder raises on, and those whose embedding is zero, NaN or infinite.
    """
    if not items:
        return torch.zeros(0, encoder.dim), torch.zeros(0), {}
    failed: Exception | None = None
    try:
        embeddings, norms = encoder.embed_items(items)
    except Exception as error:  # whatever a model raises over an odd item
        failed = error.with_traceback(None)  # whose frames would keep the batch in memory while its items are tried alone
    if failed is not None:
        return _one_by_one(encoder, items, failed)
    if embeddings.shape != (len(items), encoder.dim) or norms.shape != (len(items),):
        shape, expected = tuple(embeddings.shape), (len(items), encoder.dim)
        raise C3Error(f"the encoder gave embeddings of shape {shape}, not {expected}. It is not what it says it is.")
    finite = torch.isfinite(embeddings).all(dim=-1) & torch.isfinite(norms)
    kept = finite & (norms >= LEAST_NORM)
    if kept.all():
        return embeddings, norms, {}
    refused = (~kept).nonzero().flatten().tolist()
    why = {at: "its embedding is zero" if finite[at] else "its embedding is not finite" for at in refused}
    return embeddings[kept], norms[kept], why


def _one_by_one(encoder: Encoder, items: Sequence[Any], failed: Exception) -> Taken:
    """What is taken of items that failed together; the one that fails alone is bad."""
    if len(items) == 1:
        return torch.zeros(0, encoder.dim), torch.zeros(0), {0: str(failed) or repr(failed)}
    parts = [embed_taken(encoder, [item]) for item in items]
    refused = {at: part[2][0] for at, part in enumerate(parts) if part[2]}
    if no_memory(failed) and len(refused) in (0, len(items)):  # not a single item is too large, but the batch, or any
        raise C3Error(f"no memory for a batch of {len(items)}: use a smaller batch_size, then run again.") from failed
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]), refused
