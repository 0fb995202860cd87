"""A tower and its projection head as an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor

from c3core.contracts import Encoder, Reader, Tower
from c3core.runtime.devices import autocast, compute_dtype
from c3core.spaces.features import FeatureReader, Features
from c3core.spaces.head import Head
from c3core.store.store import Store

Unlike = Callable[[Any], str | None]  # see `Encoder.unlike`


class ConnectedEncoder(Encoder):
    """A tower and its head. `features` are stores of the tower's features of sources that it need not compute again.

    `license` is that of the weights, and `unlike` tells of an item why it is unlike those of the training: by default
    those of the tower.
    """

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
        license: str | None = None,
        unlike: Unlike | None = None,
        features: Sequence[Store] = (),
    ) -> None:
        self.space, self.modality, self.dim, self.fingerprint = space, modality, dim, fingerprint
        self.license, self._unlike = license or tower.license, unlike or tower.unlike
        self.tower, self.head = tower.eval().requires_grad_(False), head.eval().requires_grad_(False)
        self.dtype = compute_dtype(precision, next(head.parameters()).device)
        self._reader = FeatureReader(tower.reader(), features) if features else tower.reader()

    def reader(self) -> Reader:
        return self._reader

    def embed(self, items: Sequence[Any]) -> Tensor:
        new = [item for item in items if not isinstance(item, Features)]
        if len(new) == len(items):
            return self._project(self._features(self.tower.collate(items)))
        computed = iter(self._features(self.tower.collate(new)) if new else ())
        rows = [item.values if isinstance(item, Features) else next(computed) for item in items]
        return self._project(torch.stack([row.to(self.device) for row in rows]))

    def embed_raw(self, batch: Tensor) -> Tensor:
        return self._project(self._features(self.tower.from_raw(batch)))

    def unlike(self, item: Any) -> str | None:
        return None if isinstance(item, Features) else self._unlike(item)

    def _features(self, batch: Any) -> Tensor:
        with autocast(self.device, self.dtype):
            features: Tensor = self.tower(send_to_device(batch, self.device))
        return features

    def _project(self, features: Tensor) -> Tensor:
        with autocast(self.device, self.dtype):
            embeddings: Tensor = self.head(features)
        return embeddings
