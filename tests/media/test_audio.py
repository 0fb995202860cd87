"""Sounds are compared with the samples that were written, and resampled sines with sines at the other rate."""

from __future__ import annotations

import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from c3core.errors import C3Error, CorruptFile, NotInstalled, WrongCall
from tests.helpers.media_files import sound

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("librosa")

from c3core.media.audio import AudioReader  # noqa: E402


def correlation(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize(
    ("name", "options", "step"),
    [
        ("a.wav", {"subtype": "PCM_U8"}, 2**-7),
        ("b.wav", {"subtype": "PCM_16"}, 2**-15),
        ("c.wav", {"subtype": "PCM_24"}, 2**-23),
        ("d.wav", {"subtype": "PCM_32"}, 2**-23),
        ("e.wav", {"subtype": "FLOAT"}, 0),
        ("f.wav", {"subtype": "DOUBLE"}, 0),
        ("a.flac", {}, 2**-15),
        ("b.flac", {"subtype": "PCM_24"}, 2**-23),
        ("a.aiff", {}, 2**-15),
        ("a.au", {}, 2**-15),
        ("a.caf", {}, 2**-15),
    ],
)
def test_lossless_formats_give_the_samples(tmp_path: Path, name: str, options: dict[str, Any], step: float) -> None:
    samples = sound(1.0)
    soundfile.write(tmp_path / name, samples, 16_000, **options)
    for source in (tmp_path / name, str(tmp_path / name)):
        read = AudioReader().read(source)
        assert (read.dtype, read.shape, read.flags.c_contiguous) == (np.float32, (16_000,), True)
        assert np.abs(read - samples).max() <= step


@pytest.mark.parametrize(
    ("name", "options"), [("a.ogg", {}), ("b.ogg", {"format": "OGG", "subtype": "OPUS"}), ("a.mp3", {})]
)
def test_lossy_formats_give_nearly_the_samples(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    samples = sound(2.0)
    soundfile.write(tmp_path / name, samples, 16_000, **options)
    read = AudioReader().read(tmp_path / name)
    assert read.shape == samples.shape
    assert correlation(read, samples) > 0.995


@given(st.integers(1, 8), st.integers(1, 400), st.sampled_from([8_000, 16_000, 44_100, 192_000]), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_channels_are_kept_or_averaged(
    tmp_path_factory: pytest.TempPathFactory, channels: int, samples: int, rate: int, seed: int
) -> None:
    array = np.random.default_rng(seed).uniform(-1, 1, (channels, samples)).astype(np.float32)
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    soundfile.write(path, array.T, rate, subtype="FLOAT")
    for source in (path, (array, rate)):
        stereo, mono = AudioReader(rate, mono=False).read(source), AudioReader(rate).read(source)
        assert np.array_equal(stereo, array)
        assert mono.shape == (samples,)
        assert np.allclose(mono, array.astype(np.float64).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_other_rates_are_resampled(tmp_path: Path, rate: int) -> None:
    def sine(at: int) -> np.ndarray[Any, Any]:
        return np.sin(2 * np.pi * 440 * np.arange(at) / at) * 0.5

    soundfile.write(tmp_path / "a.wav", np.stack([sine(rate), -0.5 * sine(rate)], axis=1), rate, subtype="DOUBLE")
    mono = AudioReader(16_000).read(tmp_path / "a.wav")
    assert mono.shape == (16_000,)
    inner = slice(800, -800)  # the filter rings at both ends
    assert np.abs(mono - 0.25 * sine(16_000))[inner].max() < 2e-4
    stereo = AudioReader(16_000, mono=False).read(tmp_path / "a.wav")
    assert np.abs(stereo - np.stack([0.5, -0.25])[:, None] * 2 * sine(16_000))[:, inner].max() < 4e-4


def test_frequencies_above_half_the_new_rate_are_removed(tmp_path: Path) -> None:
    high = np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000)
    soundfile.write(tmp_path / "a.wav", high, 48_000)
    assert np.abs(AudioReader(16_000).read(tmp_path / "a.wav"))[800:-800].max() < 1e-3


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([-128, 64], np.int8), [-1.0, 0.5]),
        (np.array([0, 192], np.uint8), [-1.0, 0.5]),
        (np.array([-(2**15), 2**14], np.int16), [-1.0, 0.5]),
        (np.array([-(2**31), 2**30], np.int32), [-1.0, 0.5]),
        (np.array([-3.0, 0.5], np.float64), [-3.0, 0.5]),
    ],
)
def test_arrays_of_integers_are_scaled_and_floats_are_not(array: Any, expected: list[float]) -> None:
    assert AudioReader().read((array, 16_000)).tolist() == expected


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (None, "path"),
        (np.zeros(9), "path"),
        ((16_000, np.zeros(9)), "path"),
        ((np.zeros((2, 3, 4)), 16_000), "channels, samples"),
        ((np.zeros(9, complex), 16_000), "complex"),
        ((np.zeros((1000, 2)), 16_000), "1000 channels"),
        ((np.zeros(0), 16_000), "no samples"),
        ((np.zeros(9), "16 kHz"), "number of Hz"),
        ((np.zeros(9), 0), "0 Hz"),
        ((np.zeros(9), float("nan")), "nan Hz"),
        ((np.array([0.0, np.nan]), 16_000), "NaN"),
        ((np.array([0.0, np.inf]), 16_000), "infinite"),
    ],
)
def test_other_sources_are_refused(wrong: Any, why: str) -> None:
    with pytest.raises(C3Error, match=why):
        AudioReader().read(wrong)


def test_a_sound_that_lasts_too_long_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    reader = AudioReader(max_seconds=2)
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        soundfile.write(tmp_path / name, sound(2.5), 16_000)
        with pytest.raises(C3Error, match=r"lasts 2\.5 s, more than the limit of 2 s"):
            reader.read(tmp_path / name)
    soundfile.write(tmp_path / "b.wav", sound(2.0), 16_000)
    assert reader.read(tmp_path / "b.wav").shape == (32_000,)
    with pytest.raises(C3Error, match="limit of 2 s"):
        reader.read((np.zeros(40_000), 16_000))
    hours = tmp_path / "hours.wav"  # ten hours of silence, as a file with a hole
    with open(hours, "wb") as handle:
        size = 10 * 3600 * 16_000 * 2
        layout = struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
        handle.write(b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + layout + b"data" + struct.pack("<I", size))
        handle.truncate(44 + size)
    with pytest.raises(C3Error, match=r"lasts 36000\.0 s"):
        reader.read(hours)


def test_a_header_that_lies_about_its_length_costs_no_memory(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", sound(1.0), 16_000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21:26] = bytes([content[21] | 0x0F, 255, 255, 255, 255])  # 2**36 - 1 samples
    (tmp_path / "lie.flac").write_bytes(content)
    with pytest.raises(CorruptFile):
        AudioReader().read(tmp_path / "lie.flac")


def mp3_without_a_length(path: Path, seconds: int, tail: bytes = b"") -> np.ndarray[Any, Any]:
    """Write silence, then the sweep, as an MP3 of varying bit rate whose header does not tell its length."""
    av = pytest.importorskip("av")
    samples = np.concatenate([np.zeros(16_000, np.float32), sound(float(seconds - 1))])
    with av.open(str(path), "w", options={"write_xing": "0"}) as out:
        stream = out.add_stream("libmp3lame", rate=16_000, options={"flags": "+qscale", "global_quality": "236"})
        stream.layout = "mono"
        size = 576  # samples in a frame below 32 kHz
        for start in range(0, len(samples), size):
            block = av.AudioFrame.from_ndarray(samples[None, start : start + size], format="fltp", layout="mono")
            block.rate, block.pts = 16_000, start
            out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    path.write_bytes(path.read_bytes() + tail)
    return samples


@pytest.mark.parametrize("tail", [b"", b"TAG" + bytes(125)])
def test_an_mp3_without_a_length_is_read_to_its_end(tmp_path: Path, tail: bytes) -> None:
    samples = mp3_without_a_length(tmp_path / "a.mp3", 6, tail)
    assert not 0.9 < soundfile.info(tmp_path / "a.mp3").frames / len(samples) < 1.1  # the library guesses
    read = AudioReader().read(tmp_path / "a.mp3")
    assert 0 <= len(read) - len(samples) < 4 * 1152  # the delay and the padding of the coder are kept
    delay = int(np.argmax(np.correlate(read[:40_000], samples[:32_000], "valid")))
    assert correlation(read[delay : delay + 90_000], samples[:90_000]) > 0.99
    with pytest.raises(C3Error, match="limit of 3 s"):
        AudioReader(max_seconds=3).read(tmp_path / "a.mp3")


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)])
def test_a_good_mp3_prints_no_warning(tmp_path: Path, tag: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """The C library would print one if a file that tells its length were read as an endless one."""
    soundfile.write(tmp_path / "plain.mp3", sound(2.0), 16_000)
    (tmp_path / "a.mp3").write_bytes(tag + (tmp_path / "plain.mp3").read_bytes())
    assert len(AudioReader().read(tmp_path / "a.mp3")) == 32_000
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)])
def test_two_mp3_files_joined_are_refused_and_tags_at_the_end_are_not(tmp_path: Path, tag: bytes) -> None:
    soundfile.write(tmp_path / "plain.mp3", sound(2.0), 16_000)
    whole = tag + (tmp_path / "plain.mp3").read_bytes()
    (tmp_path / "joined.mp3").write_bytes(whole + whole)
    with pytest.raises(CorruptFile, match="more sound follows its end, as in two MP3 files that were joined"):
        AudioReader().read(tmp_path / "joined.mp3")
    for end in (b"TAG" + bytes(125), b"APETAGEX" + bytes(24)):
        (tmp_path / "tagged.mp3").write_bytes(whole + end)
        assert len(AudioReader().read(tmp_path / "tagged.mp3")) == 32_000


def test_an_mp3_that_is_cut_between_two_frames_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", sound(5.0), 16_000)
    content = (tmp_path / "a.mp3").read_bytes()
    starts = [at for at in range(len(content) - 1) if content[at : at + 2] == content[:2]]
    for at in starts[len(starts) // 2 :][:8]:
        (tmp_path / "cut.mp3").write_bytes(content[:at])
        with pytest.raises(CorruptFile, match="promises 80000 samples"):
            AudioReader().read(tmp_path / "cut.mp3")


def test_a_format_that_cannot_be_told_from_noise_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.voc", sound(0.1), 16_000)
    with pytest.raises(CorruptFile, match="VOC"):
        AudioReader().read(tmp_path / "a.voc")


@pytest.mark.parametrize("wrong", [{"sample_rate": 0}, {"sample_rate": 10**9}, {"max_seconds": 0}, {"max_seconds": -1}])
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongCall, match=next(iter(wrong))):
        AudioReader(**wrong)


@pytest.mark.parametrize("library", ["soundfile", "librosa"])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NotInstalled, match=rf'{library} .*pip install "c3core\[audio\]"'):
        AudioReader()


def test_the_reader_can_be_sent_to_a_worker() -> None:
    copy = pickle.loads(pickle.dumps(AudioReader(8_000, mono=False, max_seconds=3)))
    assert copy.read((np.zeros((2, 800)), 8_000)).shape == (2, 800)
    assert vars(copy) == {"sample_rate": 8_000, "mono": False, "max_seconds": 3}
