"""Encoders made of a tower: with a projection head, or its features as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from c3core.contracts import Encoder, Reader, Tower
from c3core.io.files import short_hash
from c3core.runtime.devices import autocast, compute_dtype, to_device
from c3core.spaces.head import Head


class ConnectedEncoder(Encoder):
    """A tower and its head."""

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


class FeatureEncoder(Encoder):
    """The features of a frozen tower as embeddings, so that a store can hold them."""

    space = "features"

    def __init__(self, tower: Tower) -> None:
        self.tower, self.modality, self.dim = tower.eval(), tower.modality, tower.width
        self.fingerprint = short_hash(tower.identity())

    def reader(self) -> Reader:
        return self.tower.reader()

    def embed(self, items: Sequence[Any]) -> Tensor:
        parameter = next(self.tower.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        features: Tensor = self.tower(to_device(self.tower.collate(items), device))
        return features
