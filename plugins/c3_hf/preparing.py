"""Readers that hand a picture or a sound through the model's own processor, in a worker."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from c3core.contracts import Reader
from c3core.media import AudioReader, ImageReader

Prepared = dict[str, Tensor]  # what the model takes of one item: each as the processor makes it, without the batch


class PictureReader(Reader):
    """A picture by the model's own image processor."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.pictures = processor, ImageReader()

    def read(self, source: Any) -> Prepared:
        """What the processor makes of the upright RGB picture. Raises `C3Error` with the reason."""
        return _single(self.processor(images=self.pictures.read(source), return_tensors="pt"))


class SoundReader(Reader):
    """A sound at the model's sampling rate, mono, by the model's own feature extractor."""

    def __init__(self, extractor: Any) -> None:
        self.extractor, self.sounds = extractor, AudioReader(extractor.sampling_rate)

    def read(self, source: Any) -> Prepared:
        """What the extractor makes of the wave. Raises `C3Error` with the reason."""
        wave = self.sounds.read(source)
        # CLAP's extractor cuts a long sound at a random place: always at the same one, and nobody else's draws change.
        state = np.random.get_state()
        np.random.seed(0)
        try:
            prepared = _single(self.extractor(wave, sampling_rate=self.extractor.sampling_rate, return_tensors="pt"))
        finally:
            np.random.set_state(state)
        if "is_longer" in prepared:
            # Of a batch without a long sound the extractor calls one long, by chance. Given one sound, that is always
            # this one.
            hop, most = self.extractor.hop_length, self.extractor.nb_max_samples
            prepared["is_longer"] = torch.full_like(prepared["is_longer"], len(wave) // hop > most // hop)
        return prepared


def _single(batch: Any) -> Prepared:
    return {name: value[0].contiguous() for name, value in batch.items() if isinstance(value, Tensor)}
