"""Read sounds as Kaldi filter banks of three clips of two seconds, as upstream's `data.py` does."""

from __future__ import annotations

import warnings
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c3core import Reader
from c3core.errors import C3Error
from c3core.media import AudioReader

RATE = 16_000  # Hz
CLIPS, SECONDS = 3, 2
WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms, and the next power of two
MELS, LENGTH = 128, 204  # of a clip: bands and frames
LOWEST = 20.0  # Hz
MEAN, STD = -4.268, 9.138

Wave = npt.NDArray[np.float32]


class SoundReader(Reader):
    """Reads what `AudioReader` reads, as float32 (3, 1, 128, 204): clips at the start, in the middle and at the end.

    Upstream uses the first of several channels, and so does this. A sound of less than 2 s gives the same clip three
    times, filled up with zeros. A sound of less than 25 ms is refused.

    >>> SoundReader().read((np.zeros(8000), 16000)).shape
    torch.Size([3, 1, 128, 204])
    """

    def __init__(self) -> None:
        self.sounds = AudioReader(RATE, mono=False)

    def read(self, source: Any) -> Tensor:
        """The three clips of one source. Raises `C3Error` with the reason."""
        wave = self.sounds.read(source).copy()
        if wave.shape[1] < WINDOW:
            raise C3Error(f"the sound lasts {1000 * wave.shape[1] / RATE:.1f} ms, and 25 ms are needed")
        return torch.stack([torch.from_numpy(_clip(part)) for part in _parts(wave)])


def _parts(wave: Wave) -> list[Wave]:
    """The clips of a wave (channels, samples), as views. Times are exact fractions, cut to whole samples."""
    last = Fraction(max(wave.shape[1] / RATE - SECONDS, 0))
    starts = [last * i / (CLIPS - 1) for i in range(CLIPS)]
    return [wave[:, int(start * RATE) : int((start + SECONDS) * RATE)] for start in starts]


def _clip(part: Wave) -> npt.NDArray[np.float32]:
    """The filter bank (1, 128, 204) of one clip (channels, samples). The clip's mean is subtracted in place."""
    # As upstream: of all channels, and in place, so that a clip which overlaps the next one changes it.
    part -= part.mean(dtype=np.float32)
    features = np.zeros((MELS, LENGTH), dtype=np.float32)
    bank = filter_bank(part[0])[:, :LENGTH]
    features[:, : bank.shape[1]] = bank
    return ((features - np.float32(MEAN)) / np.float32(STD))[np.newaxis]


def filter_bank(wave: Wave) -> npt.NDArray[np.float32]:
    """Kaldi's log-mel filter bank (128, frames) of a wave (samples,) at 16 kHz, with a Hann window and no dither."""
    from transformers.audio_utils import spectrogram

    filters, window = _filters()
    bank: npt.NDArray[np.float32] = spectrogram(
        wave,
        window,
        frame_length=WINDOW,
        hop_length=HOP,
        fft_length=FFT,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        mel_floor=float(np.finfo(np.float32).eps),
        log_mel="log",
        remove_dc_offset=True,
    )
    return bank


@cache
def _filters() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    from transformers.audio_utils import mel_filter_bank, window_function

    with warnings.catch_warnings():
        # The lowest bands are narrower than a bin of the transform, so that some are empty. So are Kaldi's.
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        filters = mel_filter_bank(
            FFT // 2 + 1, MELS, LOWEST, RATE / 2, RATE, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
        )
    return filters, window_function(WINDOW, "hann", periodic=False)
