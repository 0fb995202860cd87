"""Encode one modality with an ImageBind model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from c3_imagebind.motion import MotionReader
from c3_imagebind.pictures import ClipReader, PhotoReader, photos_of
from c3_imagebind.planes import PlaneReader
from c3_imagebind.sizes import Size
from c3_imagebind.sounds import SoundReader
from c3_imagebind.upstream import any_truncated, tokens_of
from c3_imagebind.weights import PARTS, fingerprint
from c3core import Encoder, Reader
from c3core.media import TextReader, TruncationCheck
from c3core.runtime import autocast, compute_dtype

PREPROCESSING = 1  # its version: count it up if a source gives other items than before
CONTEXT = 77  # tokens


@dataclass(frozen=True)
class Route:
    """How a modality goes through the model: its trunk, its reader and the number of items at once."""

    trunk: str
    reader: Callable[[], Reader]
    at_once: int


ROUTES = {
    "text": Route("text", TextReader, 64),
    "image": Route("vision", PhotoReader, 64),
    "audio": Route("audio", SoundReader, 20),  # of 3 clips each
    "video": Route("vision", ClipReader, 4),  # of 15 clips each
    "depth": Route("depth", PlaneReader, 64),
    "thermal": Route("thermal", PlaneReader, 64),
    "imu": Route("imu", MotionReader, 64),
}


class ImageBindEncoder(Encoder):
    """Gives the output (n, dim) of upstream's `forward`, averaged over an item's clips.

    The outputs of a modality have their own length (up to 100 for text and 20 for audio). `encode` normalizes them
    after they were averaged.
    """

    def __init__(
        self,
        model: Any,
        modality: str,
        *,
        size: Size,
        license: str,
        device: str,
        precision: str,
        video_reader: str = "pyav",
    ) -> None:
        self.space, self.modality, self.dim, self.license = "imagebind", modality, size.out_embed_dim, license
        self.route, self.model, self.video_reader = ROUTES[modality], model, video_reader
        self.dtype = compute_dtype(precision, self.to(device).device)
        self.check = TruncationCheck(CONTEXT)
        settings = {"modality": modality, "preprocessing": PREPROCESSING, "size": size.model_dump()}
        self.fingerprint = fingerprint(model, self.route.trunk, settings)

    def torch_modules(self) -> list[nn.Module]:
        return [getattr(self.model, part)[self.route.trunk] for part in PARTS]  # not those of the other modalities

    def reader(self) -> Reader:
        return ClipReader(self.video_reader) if self.modality == "video" else self.route.reader()

    def embed(self, items: Sequence[Any]) -> Tensor:
        step = self.route.at_once
        return torch.cat([self._embed(self._batch(items[at : at + step])) for at in range(0, len(items), step)])

    def embed_raw(self, batch: Tensor) -> Tensor:
        if self.modality != "image":
            return super().embed_raw(batch)
        return self._embed(photos_of(batch))

    def _batch(self, items: Sequence[Any]) -> Tensor:
        if self.modality != "text":
            return torch.stack(list(items))
        ids = tokens_of(items)
        self.check(lambda: any_truncated(items, ids))
        return ids

    def _embed(self, batch: Tensor) -> Tensor:
        with autocast(self.device, self.dtype):
            embeddings: Tensor = self.model({self.route.trunk: batch.to(self.device)})[self.route.trunk]
        return embeddings
