"""Sounds against torchaudio's filter bank and a plain restatement of upstream's steps."""

from __future__ import annotations

import warnings
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest
import torch

if find_spec("imagebind") is None:
    pytest.skip("needs the extra imagebind", allow_module_level=True)
pytest.importorskip("librosa", reason="needs the extra audio")

from c3_imagebind.sounds import SoundReader, filter_bank
from c3core.contracts import BadItem


def mel_scale(hertz):
    return 1127 * np.log1p(np.asarray(hertz) / 700)


def kaldi_bank(wave: np.ndarray, bands: int = 128) -> np.ndarray:
    """(bands, frames) as Kaldi's documentation has it, in float64: low end 20 Hz, Hann window, pre-emphasis 0.97, no dither."""
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(frames * np.hanning(400), 512)) ** 2
    edges = np.linspace(mel_scale(20), mel_scale(8000), bands + 2)
    at = mel_scale(np.arange(257) * 16000 / 512)
    rise, fall = (at - edges[:-2, None]) / np.diff(edges)[:-1, None], (edges[2:, None] - at) / np.diff(edges)[1:, None]
    weights = np.clip(np.minimum(rise, fall), 0, None)
    return np.log(np.maximum(weights @ power.T, np.finfo(np.float32).eps))


def upstream(wave: np.ndarray) -> np.ndarray:
    """load_and_transform_audio_data of a float32 wave (channels, samples) at 16 kHz, its quirk of clips in place included."""
    wave = wave.copy()
    step = Fraction(max(wave.shape[1] / 16000 - 2, 0)) / 2
    clips = []
    for number in range(3):
        clip = wave[:, int(step * number * 16000) : int((step * number + 2) * 16000)]
        clip -= clip.mean()
        bank = kaldi_bank(clip[0])[:, :204]
        bank = np.pad(bank, ((0, 0), (0, 204 - bank.shape[1])))
        clips.append((bank[None] + 4.268) / 9.138)
    return np.stack(clips)


def voice(seconds: float, seed: int = 0, channels: int = 1) -> np.ndarray:
    """Tones with overtones that rise, over some noise and an offset."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * 16000)) / 16000
    tones = sum(np.sin(2 * np.pi * 110 * k * time * (1 + 0.1 * time)) / k for k in range(1, 20))
    noise = rng.normal(size=(channels, len(time)))
    return (0.1 * tones + 0.02 * noise + 0.05 * rng.normal(size=(channels, 1))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.025, 0.3, 1.99, 2.0, 2.0001, 3.3333, 10.01])
def test_sounds_become_upstreams_tensor(seconds):
    wave = voice(seconds)
    item = SoundReader().read((wave, 16000))
    assert (item.shape, item.dtype) == ((3, 1, 128, 204), torch.float32)
    np.testing.assert_allclose(item.numpy(), upstream(wave), rtol=0, atol=1e-4)


def test_of_two_channels_the_first_counts_and_the_mean_of_both():
    wave = voice(2.7, channels=2) * np.array([[1.0], [0.3]], dtype=np.float32)
    np.testing.assert_allclose(SoundReader().read((wave, 16000)).numpy(), upstream(wave), rtol=0, atol=1e-4)


def test_a_clip_loses_its_mean_in_place():
    """A step in the offset shows in the frames that lie over the edge of a clip before."""
    wave = voice(3.0)
    wave[:, :20000] += 0.5
    item = SoundReader().read((wave, 16000)).numpy()
    np.testing.assert_allclose(item, upstream(wave), rtol=0, atol=1e-4)
    alone = SoundReader().read((wave[:, 16000:48000], 16000)).numpy()[0]
    assert np.abs(item[2] - alone).max() > 0.01


def test_silence_is_kaldis_floor():
    item = SoundReader().read((np.zeros(32000, dtype=np.float32), 16000))
    floor = (np.log(np.finfo(np.float32).eps) + 4.268) / 9.138
    assert torch.allclose(item[..., :198], torch.tensor(float(floor)), atol=1e-5)
    assert torch.allclose(item[..., 198:], torch.tensor(4.268 / 9.138), atol=1e-6)


def test_the_filter_bank_is_torchaudios():
    """Against the function that upstream calls, with its arguments: 128 bands, 1e-4 in the model's units."""
    kaldi = pytest.importorskip("torchaudio.compliance.kaldi")
    for wave in (voice(1.0), voice(2.0, seed=1)):
        theirs = kaldi.fbank(
            torch.from_numpy(wave),
            htk_compat=True,
            sample_frequency=16000,
            use_energy=False,
            window_type="hanning",
            num_mel_bins=128,
            dither=0.0,
            frame_length=25,
            frame_shift=10,
        )
        np.testing.assert_allclose(filter_bank(wave[0]), theirs.T.numpy(), rtol=0, atol=1e-4 * 9.138)


def test_the_filter_bank_is_the_restated_one():
    """In float64, and so to a tenth of that."""
    wave = voice(1.0)[0]
    np.testing.assert_allclose(filter_bank(wave), kaldi_bank(wave), rtol=0, atol=1e-4)


def test_no_warning_about_empty_bands():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        SoundReader().read((voice(0.1), 16000))
    assert not [str(one.message) for one in said]


def test_a_file_at_another_rate(tmp_path):
    import soundfile

    time = np.arange(44100 * 3) / 44100
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", tone, 44100, subtype="FLOAT")
    item = SoundReader().read(tmp_path / "a.wav")
    same = (0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 16000)).astype(np.float32)
    expected = SoundReader().read((same, 16000))
    loud = expected > expected.max() - 0.5
    assert loud.any()
    torch.testing.assert_close(item[loud], expected[loud], rtol=0, atol=2e-2)


def test_the_source_is_not_changed():
    wave = voice(3.0)
    before = wave.copy()
    SoundReader().read((wave, 16000))
    assert np.array_equal(wave, before)


def test_less_than_a_window_is_refused():
    item = SoundReader()((voice(0.024), 16000))
    assert isinstance(item, BadItem)
    assert "25 ms" in item.why
