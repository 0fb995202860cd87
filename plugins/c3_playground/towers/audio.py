"""The audio tower: two seconds at 16 kHz as a log-mel picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from c3_playground.towers.grid import GridNet
from c3core.contracts import Reader
from c3core.towers import Tower

RATE = 16_000  # Hz
SAMPLES = 2 * RATE
WINDOW, HOP, MELS = 512, 512, 64
STEPS = 64  # columns of the picture; 2 s give 63, the rest is silence


@cache
def mel_bank() -> Tensor:
    """(mels, bins) triangular filters, evenly spread in mel = 2595·log10(1 + f/700) between 50 Hz and 8 kHz."""
    bins = torch.linspace(0, RATE / 2, WINDOW // 2 + 1)
    mel = torch.linspace(2595 * np.log10(1 + 50 / 700), 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    # The lowest filters are narrower than a bin: widen them to one, or they would see nothing.
    low, high = torch.minimum(low, middle - RATE / WINDOW), torch.maximum(high, middle + RATE / WINDOW)
    return torch.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clamp_min(0)


def log_mel(wave: Tensor) -> Tensor:
    """float32 (samples,) at 16 kHz to (mels, 64): log power, cut or filled to two seconds."""
    wave = torch.nn.functional.pad(wave[:SAMPLES], (0, max(0, SAMPLES - len(wave))))
    window = torch.hann_window(WINDOW)
    power = torch.stft(wave, WINDOW, HOP, window=window, return_complex=True).abs().square()
    picture = torch.log(mel_bank() @ power + 1e-5)[:, :STEPS]
    return torch.nn.functional.pad(picture, (0, STEPS - picture.shape[1]), value=float(np.log(1e-5)))


class SoundReader(Reader):
    """A sound as its log-mel picture (64, 64). Sources: a file, or float samples at 16 kHz."""

    def read(self, source: Any) -> Tensor:
        if isinstance(source, np.ndarray):
            wave = np.array(source, dtype=np.float32)  # a copy: items of the world are read-only
        else:
            from c3core.readers.audio import AudioReader  # the extra `audio` is needed for files only

            wave = AudioReader(sample_rate=RATE).read(source)
        if wave.ndim != 1 or not len(wave) or not np.isfinite(wave).all():
            raise ValueError(f"a sound is a non-empty array (samples,) of finite values, got shape {wave.shape}")
        return log_mel(torch.from_numpy(wave))


class AudioTower(Tower):
    """Sounds to features (n, width)."""

    modality = "audio"

    def __init__(self, *, stages: Sequence[int] = (24, 48, 96, 128), layers: int = 2) -> None:
        super().__init__()
        self.stages, self.layers, self.width = tuple(stages), layers, stages[-1]
        self.net = GridNet(1, self.stages, cells=(MELS >> len(stages)) * (STEPS >> len(stages)), layers=layers)

    def reader(self) -> Reader:
        return SoundReader()

    def collate(self, items: Sequence[Any]) -> Tensor:
        """(n, 64, 64)."""
        return torch.stack(list(items))

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net((batch.unsqueeze(1) + 4) / 4)
        return features

    def config(self) -> dict[str, Any]:
        return {"stages": list(self.stages), "layers": self.layers}
