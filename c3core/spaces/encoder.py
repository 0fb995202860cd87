"""A tower and its projection head as an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from c3core.contracts import Encoder, Reader, Tower
from c3core.runtime.devices import autocast, compute_dtype, to_device
from c3core.spaces.contrastive import Head


class ConnectedEncoder(Encoder):
    """A tower and its head as an encoder."""

    def __init__(
        self,
        space: str,
        modality: str,
        tower: Tower,
        head: Head,
        *,
        dim: int,
        fingerprint: str,
        precision: str = "float32",
    ) -> None:
        self.space, self.modality, self.dim, self.fingerprint = space, modality, dim, fingerprint
        self.license = tower.license
        self.tower, self.head = tower.eval().requires_grad_(False), head.eval().requires_grad_(False)
        self.dtype = compute_dtype(precision, next(head.parameters()).device)

    def reader(self) -> Reader:
        return self.tower.reader()

    def embed(self, items: Sequence[Any]) -> Tensor:
        return self._embed(self.tower.collate(items))

    def embed_raw(self, batch: Tensor) -> Tensor:
        return self._embed(self.tower.from_raw(batch))

    def _embed(self, batch: Any) -> Tensor:
        device = next(self.head.parameters()).device
        with autocast(device, self.dtype):
            embeddings: Tensor = self.head(self.tower(to_device(batch, device)))
        return embeddings
