"""Read pictures and sounds with the model's own processor, in a worker process."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from c3core.contracts import Reader
from c3core.media import AudioReader, ImageReader

Prepared = dict[str, Tensor]  # one item as the processor makes it, without the dimension of the batch


class PictureReader(Reader):
    """Reads a picture and hands it to the model's image processor."""

    def __init__(self, processor: Any) -> None:
        self.processor, self.pictures = processor, ImageReader()

    def read(self, source: Any) -> Prepared:
        """The processor's tensors of the upright RGB picture. Raises `C3Error` with the reason."""
        return _single(self.processor(images=self.pictures.read(source), return_tensors="pt"))


class SoundReader(Reader):
    """Reads a sound as one channel at the model's sampling rate and hands it to the model's feature extractor."""

    def __init__(self, extractor: Any) -> None:
        self.extractor, self.sounds = extractor, AudioReader(extractor.sampling_rate)

    def read(self, source: Any) -> Prepared:
        """The extractor's tensors of the sound. Raises `C3Error` with the reason."""
        wave = self.sounds.read(source)
        # CLAP's extractor cuts a long sound at a random place. A fixed seed gives each sound one embedding; restoring
        # the state leaves the random numbers of the rest of the program as they are.
        state = np.random.get_state()
        np.random.seed(0)
        try:
            prepared = _single(self.extractor(wave, sampling_rate=self.extractor.sampling_rate, return_tensors="pt"))
        finally:
            np.random.set_state(state)
        if "is_longer" in prepared:
            # If no sound of a batch is long, the extractor marks a random one as long. Here a batch has one sound.
            hop, most = self.extractor.hop_length, self.extractor.nb_max_samples
            prepared["is_longer"] = torch.full_like(prepared["is_longer"], len(wave) // hop > most // hop)
        return prepared


def _single(batch: Any) -> Prepared:
    return {name: value[0].contiguous() for name, value in batch.items() if isinstance(value, Tensor)}
