"""The encoders of a CLIP: text, image and video."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3_clip.pixels import Fit, FrameReader, Normalise, check_raw, picture_reader
from c3_clip.tokens import Tokens
from c3_clip.weights import Clip
from c3core.contracts import Encoder, Reader
from c3core.errors import C3Error
from c3core.media import TextReader

FRAMES_AT_ONCE = 64  # pictures that go through the model together: videos come many frames an item


class TextEncoder(Encoder):
    """Items are strings. A text longer than the context is cut as open_clip cuts it; a warning says so once."""

    modality = "text"

    def __init__(self, clip: Clip, tokens: Tokens, dtype: torch.dtype = torch.float32) -> None:
        self.clip, self.tokens, self.dtype = clip, tokens, dtype
        self.space, self.dim, self.license = str(clip.name), int(clip.config["embed_dim"]), clip.license
        self.fingerprint = clip.text_identity

    def reader(self) -> Reader:
        return TextReader()

    def embed(self, items: Sequence[str]) -> Tensor:
        """(n, dim) embeddings of strings, in the model's own scale."""
        ids = self.tokens(items).to(self.clip.device)
        with torch.autocast(self.clip.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            embeddings: Tensor = self.clip.model.encode_text(ids)
        return embeddings


class ImageEncoder(Encoder):
    """Items are uint8 tensors (3, h, w) of the model's size, as the reader makes them."""

    modality = "image"

    def __init__(self, clip: Clip, dtype: torch.dtype = torch.float32) -> None:
        self.clip, self.dtype = clip, dtype
        self.space, self.dim, self.license = str(clip.name), int(clip.config["embed_dim"]), clip.license
        self.fingerprint = clip.image_identity
        self.fit = Fit.of(clip.preprocess)
        self.normalise = Normalise(clip.preprocess["mean"], clip.preprocess["std"], clip.device)

    def reader(self) -> Reader:
        return picture_reader(self.fit)

    def embed(self, items: Sequence[Tensor]) -> Tensor:
        """(n, dim) embeddings of pictures, in the model's own scale."""
        return self.features(torch.stack(list(items)))

    def embed_raw(self, batch: Tensor) -> Tensor:
        """(n, dim) embeddings of pictures (n, 3, h, w), RGB in 0 .. 1, of any size, with gradient.

        They are resized as the reader resizes, in torch. A picture of the model's size gets what `embed` gives it.
        """
        return self.features(self.fit.raw(check_raw(batch).to(self.clip.device, torch.float32)))

    def features(self, pixels: Tensor) -> Tensor:
        """(n, dim) of (n, 3, h, w) of the model's size: uint8, or floats in 0 .. 1."""
        with torch.autocast(self.clip.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            embeddings: Tensor = self.clip.model.encode_image(self.normalise(pixels))
        return embeddings


class VideoEncoder(Encoder):
    """Items are uint8 tensors (frames, 3, h, w). A video's embedding is the mean of its frames' unit embeddings, at
    unit norm.
    """

    modality = "video"

    def __init__(self, image: ImageEncoder, frames: int = 8) -> None:
        if frames < 1:
            raise C3Error(f"frames must be 1 or more, got {frames}.")
        self.image, self.frames = image, frames
        self.space, self.dim, self.license, self.dtype = image.space, image.dim, image.license, image.dtype
        self.fingerprint = hashlib.sha256(f"{image.fingerprint} mean of {frames} unit frames".encode()).hexdigest()[:32]

    def reader(self) -> Reader:
        return FrameReader(self.image.fit, self.frames)

    def embed(self, items: Sequence[Tensor]) -> Tensor:
        """(n, dim) embeddings of videos, of unit norm."""
        frames = torch.cat(list(items))
        parts = [frames[start : start + FRAMES_AT_ONCE] for start in range(0, len(frames), FRAMES_AT_ONCE)]
        units = iter(normalize(torch.cat([self.image.features(part).float() for part in parts]), dim=-1))
        return normalize(torch.stack([torch.stack([next(units) for _ in item]).mean(0) for item in items]), dim=-1)
