"""Encode text, images and videos with a CLIP."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from c3_clip.model import Clip
from c3_clip.pixels import Fit, FrameReader, Normalize, check_raw, picture_reader
from c3_clip.tokens import Tokens
from c3core.contracts import Encoder, Reader
from c3core.errors import WrongCall
from c3core.io import short_hash
from c3core.media import TextReader
from c3core.runtime import autocast

FRAMES_AT_ONCE = 64  # frames that go through the model together: a batch of videos has many


class ClipEncoder(Encoder):
    """A tower of a CLIP. `dtype` is what torch's autocast computes in; the weights stay float32."""

    def __init__(self, clip: Clip, fingerprint: str, dtype: torch.dtype) -> None:
        self.clip, self.fingerprint, self.dtype = clip, fingerprint, dtype
        self.space, self.dim, self.license = str(clip.name), int(clip.config["embed_dim"]), clip.license

    def torch_modules(self) -> list[nn.Module]:
        return [self.clip.model]


class TextEncoder(ClipEncoder):
    """Items are strings. A text that is longer than the context is cut as open_clip cuts it; a warning says so once."""

    modality = "text"

    def __init__(self, clip: Clip, tokens: Tokens, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(clip, clip.text_fingerprint, dtype)
        self.tokens = tokens

    def reader(self) -> Reader:
        return TextReader()

    def embed(self, items: Sequence[str]) -> Tensor:
        """Embeddings (n, dim) of strings, in the model's own scale."""
        ids = self.tokens(items).to(self.device)
        with autocast(self.device, self.dtype):
            embeddings: Tensor = self.clip.model.encode_text(ids)
        return embeddings


class ImageEncoder(ClipEncoder):
    """Items are uint8 tensors (3, height, width) of the model's size, as the reader makes them."""

    modality = "image"

    def __init__(self, clip: Clip, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(clip, clip.image_fingerprint, dtype)
        self.fit = Fit.of(clip.preprocess)
        self.normalize = Normalize(clip.preprocess["mean"], clip.preprocess["std"])

    def reader(self) -> Reader:
        return picture_reader(self.fit)

    def embed(self, items: Sequence[Tensor]) -> Tensor:
        """Embeddings (n, dim) of pictures, in the model's own scale."""
        return self.features(torch.stack(list(items)))

    def embed_raw(self, batch: Tensor) -> Tensor:
        """Embeddings (n, dim) with gradient, of RGB pictures (n, 3, h, w) in 0 to 1, of any size.

        Torch resizes them as the reader does. A picture of the model's size gets the embedding that `embed` gives it.
        """
        return self.features(self.fit.raw(check_raw(batch).to(self.device, torch.float32)))

    def features(self, pixels: Tensor) -> Tensor:
        """Embeddings (n, dim) of (n, 3, height, width) of the model's size: uint8, or floats in 0 to 1."""
        with autocast(self.device, self.dtype):
            embeddings: Tensor = self.clip.model.encode_image(self.normalize(pixels, self.device))
        return embeddings


class VideoEncoder(ClipEncoder):
    """Items are uint8 tensors (frames, 3, height, width).

    The frames' embeddings are brought to unit norm and averaged, and the mean is brought to unit norm.
    """

    modality = "video"

    def __init__(self, image: ImageEncoder, frames: int = 8, video_reader: str = "pyav") -> None:
        if frames < 1:
            raise WrongCall(f"frames must be 1 or more, got {frames}.")
        super().__init__(image.clip, short_hash(f"{image.fingerprint} mean of {frames} unit frames"), image.dtype)
        self.image, self.frames, self.video_reader = image, frames, video_reader

    def reader(self) -> Reader:
        return FrameReader(self.image.fit, self.frames, self.video_reader)

    def embed(self, items: Sequence[Tensor]) -> Tensor:
        """Embeddings (n, dim) of videos, of unit norm."""
        frames = torch.cat(list(items))
        parts = [self.image.features(part).float() for part in torch.split(frames, FRAMES_AT_ONCE)]
        units = torch.split(normalize(torch.cat(parts), dim=-1), [len(item) for item in items])
        return normalize(torch.stack([unit.mean(0) for unit in units]), dim=-1)
