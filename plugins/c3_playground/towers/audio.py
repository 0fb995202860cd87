"""The audio tower: two seconds at 16 kHz as a log-mel picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from c3_playground.towers.grid import GridNet
from c3core.contracts import Reader, Tower

RATE = 16_000  # Hz
SAMPLES = 2 * RATE
WINDOW, HOP, MELS = 512, 512, 64
STEPS = 64  # columns of the picture: 2 s and a little silence


@cache
def mel_bank() -> NDArray[np.float32]:
    """(mels, bins) triangular filters, evenly spread in mel = 2595·log10(1 + f/700) between 50 Hz and 8 kHz."""
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    mel = np.linspace(2595 * np.log10(1 + 50 / 700), 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    # The lowest filters are narrower than a bin: widen them to one, or they would see nothing.
    low, high = np.minimum(low, middle - RATE / WINDOW), np.maximum(high, middle + RATE / WINDOW)
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
    return np.maximum(triangles, 0).astype(np.float32)


def log_mel(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 (samples,) at 16 kHz to (64, 64): log power in steps of 32 ms, cut or filled to two seconds.

    In numpy, not torch: a reader runs in worker processes, where torch's threads would only get in each other's way.
    """
    filled = np.zeros((STEPS - 1) * HOP + WINDOW, dtype=np.float32)
    filled[: min(len(wave), SAMPLES)] = wave[:SAMPLES]
    frames = sliding_window_view(filled, WINDOW)[::HOP] * np.hanning(WINDOW).astype(np.float32)  # (64, window)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).astype(np.float32)  # (64, bins)
    return np.log(mel_bank() @ power.T + np.float32(1e-5))


class SoundReader(Reader):
    """A sound as its log-mel picture (64, 64). Sources: a file, or float samples at 16 kHz."""

    def read(self, source: Any) -> Tensor:
        if isinstance(source, np.ndarray):
            wave = np.asarray(source, dtype=np.float32)
        else:
            from c3core.media import AudioReader  # the extra `audio` is needed for files only

            wave = AudioReader(sample_rate=RATE).read(source)
        if wave.ndim != 1 or not len(wave) or not np.isfinite(wave).all():
            raise ValueError(f"a sound is a non-empty array (samples,) of finite values, got shape {wave.shape}")
        return torch.from_numpy(log_mel(wave))


class AudioTower(Tower):
    """Sounds to features (n, width)."""

    modality = "audio"

    def __init__(self, *, stages: Sequence[int] = (24, 48, 96, 128), layers: int = 1) -> None:
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
