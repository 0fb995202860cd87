"""One modality of an ImageBind model as an encoder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from c3_imagebind.sizes import Size
from c3_imagebind.upstream import any_was_cut, tokens_of
from c3_imagebind.weights import PARTS, fingerprint
from c3core import Encoder, Reader
from c3core.media import TextReader
from c3core.runtime import device_of, precision_of

PREPROCESSING = 1  # counted up when the same source would give other items


@dataclass(frozen=True)
class Way:
    """How a modality goes through the model: its trunk, its reader, and how many items at a time."""

    trunk: str
    reader: Callable[[], Reader]
    at_once: int


def _photos() -> Reader:
    from c3_imagebind.pictures import PhotoReader

    return PhotoReader()


def _clips() -> Reader:
    from c3_imagebind.pictures import ClipReader

    return ClipReader()


def _sounds() -> Reader:
    from c3_imagebind.sounds import SoundReader

    return SoundReader()


def _planes() -> Reader:
    from c3_imagebind.planes import PlaneReader

    return PlaneReader()


def _motion() -> Reader:
    from c3_imagebind.motion import MotionReader

    return MotionReader()


WAYS = {
    "text": Way("text", TextReader, 64),
    "image": Way("vision", _photos, 64),
    "audio": Way("audio", _sounds, 20),  # of 3 clips each
    "video": Way("vision", _clips, 4),  # of 15 clips each
    "depth": Way("depth", _planes, 64),
    "thermal": Way("thermal", _planes, 64),
    "imu": Way("imu", _motion, 64),
}


class ImageBindEncoder(Encoder):
    """(n, dim) of upstream's `forward`, averaged over clips: not of unit norm, which `encode` sees to.

    Each modality's vectors have their own length, up to 100 of text and 20 of audio, before they are averaged.
    """

    def __init__(self, model: Any, modality: str, *, size: Size, license: str, device: str, precision: str) -> None:
        self.space, self.modality, self.dim, self.license = "imagebind", modality, size.out_embed_dim, license
        self.way, self.model = WAYS[modality], model
        self.device, self.dtype = device_of(device), precision_of(precision)
        self._said_cut = False
        settings = {"modality": modality, "preprocessing": PREPROCESSING, "size": size.model_dump()}
        self.fingerprint = fingerprint(model, self.way.trunk, settings)
        for part in PARTS:  # the other modalities' weights stay where they are
            getattr(model, part)[self.way.trunk].to(self.device)

    def reader(self) -> Reader:
        return self.way.reader()

    def embed(self, items: Sequence[Any]) -> Tensor:
        step = self.way.at_once
        return torch.cat([self._embed(self._batch(items[at : at + step])) for at in range(0, len(items), step)])

    def embed_raw(self, batch: Tensor) -> Tensor:
        if self.modality != "image":
            return super().embed_raw(batch)
        from c3_imagebind.pictures import photos_of

        return self._embed(photos_of(batch))

    def _batch(self, items: Sequence[Any]) -> Tensor:
        if self.modality != "text":
            return torch.stack(list(items))
        ids = tokens_of(texts := list(items))
        if not self._said_cut and any_was_cut(texts, ids):
            self._said_cut = True
            warnings.warn(
                f"a text is longer than {ids.shape[1]} tokens: only its beginning counts (said once).", stacklevel=4
            )
        return ids

    def _embed(self, batch: Tensor) -> Tensor:
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            embeddings: Tensor = self.model({self.way.trunk: batch.to(self.device)})[self.way.trunk]
        return embeddings
