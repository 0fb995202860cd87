"""The audio tower, which sees two seconds at 16 kHz as a log-mel picture."""

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
QUIET = (-10.1, -3.5)  # the tenth percentile of the log power of 3,000 sounds of the world lies within these
STEPS = 64  # columns of the picture: 2 s and a little more


@cache
def mel_bank() -> NDArray[np.float32]:
    """Triangular filters (mels, bins), evenly spaced in mel = 2595·log10(1 + f/700) from 50 Hz to 8 kHz."""
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    mel = np.linspace(2595 * np.log10(1 + 50 / 700), 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    # The lowest filters are narrower than a bin, and would be empty: they are widened to one bin.
    low, high = np.minimum(low, middle - RATE / WINDOW), np.maximum(high, middle + RATE / WINDOW)
    triangles = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle))
    return np.maximum(triangles, 0).astype(np.float32)


def log_mel(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The log power (64, 64) of float32 samples at 16 kHz, in steps of 32 ms, cut or filled to two seconds.

    It is computed in numpy: readers run in worker processes, where the threads of torch would compete.
    """
    filled = np.zeros((STEPS - 1) * HOP + WINDOW, dtype=np.float32)
    filled[: min(len(wave), SAMPLES)] = wave[:SAMPLES]
    frames = sliding_window_view(filled, WINDOW)[::HOP] * np.hanning(WINDOW).astype(np.float32)  # (64, window)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).astype(np.float32)  # (64, bins)
    picture: NDArray[np.float32] = np.log(mel_bank() @ power.T + np.float32(1e-5))
    return picture


class SoundReader(Reader):
    """Reads a file, or float samples at 16 kHz, as a log-mel picture (64, 64)."""

    def read(self, source: Any) -> Tensor:
        if isinstance(source, np.ndarray):
            wave = np.asarray(source, dtype=np.float32)
        else:
            from c3core.media import AudioReader  # only files need the extra `audio`

            wave = AudioReader(sample_rate=RATE).read(source)
        if wave.ndim != 1 or not len(wave) or not np.isfinite(wave).all():
            raise ValueError(f"a sound is a non-empty array (samples,) of finite values, got shape {wave.shape}")
        return torch.from_numpy(log_mel(wave))


class AudioTower(Tower):
    """Features (n, width) of sounds."""

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

    def unlike(self, item: Tensor) -> str | None:
        quiet = item.quantile(0.1).item()
        if QUIET[0] <= quiet <= QUIET[1]:
            return None
        level = "loud" if quiet > QUIET[1] else "silent"
        return f"its quiet parts are too {level} for the noise behind the world's sounds"

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net((batch.unsqueeze(1) + 4) / 4)
        return features

    def config(self) -> dict[str, Any]:
        return {"stages": list(self.stages), "layers": self.layers}
