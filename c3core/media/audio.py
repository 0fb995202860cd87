"""Read sounds: a path, or an array with its rate, becomes a float32 waveform at one sample rate."""

from __future__ import annotations

import importlib.util
import os
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from c3core.contracts import Reader
from c3core.errors import C3Error, CorruptFile, NotInstalled, WrongCall
from c3core.media.files import regular_file

Waveform = npt.NDArray[np.float32]

# libsndfile knows more formats, but some have no header to tell them by: it would find them in noise.
FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3")

_MIN_RATE, _MAX_RATE = 4_000, 384_000  # Hz; another rate comes from a broken header, and may need absurd memory
_MAX_CHANNELS = 64
_UNKNOWN_LENGTH = 1 << 36  # samples; libsndfile guesses at least this many for an `_EndlessFile`, and no file has them
_ENDLESS = 1 << 40  # bytes that an `_EndlessFile` claims to hold
_BLOCK = 1 << 20  # values to read at a time, so that a header which lies about the length costs no memory


class AudioReader(Reader):
    """Read a float32 waveform at `sample_rate` Hz.

    The shape is (samples,) if `mono`, the mean of the channels; else (channels, samples). Full scale is -1 to 1:
    integers are scaled to it, floats are left as they are. Another rate is resampled (librosa with soxr, high quality).

    Sources: the path of a WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU or CAF file, which is known by its content and
    not by its name; or a pair of an array, (samples,) or (channels, samples), and its rate in Hz.

    A sound that lasts more than `max_seconds` is refused before it is decoded; None sets no limit. A truncated WAV,
    AIFF, AU or Ogg file gives the part that is there or is refused; other truncated files are refused.

    The constructor raises `WrongCall` for options out of range, and `NotInstalled` without soundfile or librosa.

    >>> AudioReader(8000).read((np.zeros((2, 16000)), 16000)).shape
    (8000,)
    """

    def __init__(self, sample_rate: int = 16_000, mono: bool = True, max_seconds: float | None = None) -> None:
        if not _MIN_RATE <= sample_rate <= _MAX_RATE:
            raise WrongCall(f"sample_rate must lie between {_MIN_RATE} and {_MAX_RATE} Hz, got {sample_rate}")
        if max_seconds is not None and not max_seconds > 0:
            raise WrongCall(f"max_seconds must be above 0, got {max_seconds}")
        self.sample_rate, self.mono, self.max_seconds = sample_rate, mono, max_seconds
        install = 'is needed to read sounds. Run: pip install "c3core[audio]"'
        try:
            import soundfile  # noqa: F401
        except (ImportError, OSError):  # OSError: the C library of soundfile is missing
            raise NotInstalled(f"soundfile {install}") from None
        if importlib.util.find_spec("librosa") is None:  # it is slow to import, so only resampling does
            raise NotInstalled(f"librosa {install}")

    def read(self, source: Any) -> Waveform:
        """Return the waveform. Raises `C3Error` with the reason."""
        if isinstance(source, str | os.PathLike):
            waveform, rate = self._from_file(regular_file(source))
        elif isinstance(source, tuple | list) and len(source) == 2 and isinstance(source[0], np.ndarray):
            waveform, rate = self._from_array(*source)
        else:
            kind = type(source).__name__
            raise C3Error(f"a sound must be a path, or a pair of an array and its rate in Hz, not {kind}")
        if not np.isfinite(waveform).all():
            raise C3Error("the sound holds NaN or infinite samples")
        if self.mono:
            waveform = waveform.mean(axis=0)
        if rate != self.sample_rate:
            import librosa

            waveform = librosa.resample(waveform, orig_sr=rate, target_sr=self.sample_rate, res_type="soxr_hq")
        return np.ascontiguousarray(waveform, dtype=np.float32)

    def _check(self, samples: int, channels: int, rate: float) -> None:
        if not _MIN_RATE <= rate <= _MAX_RATE:
            raise C3Error(f"the sound claims {rate:g} Hz: rates from {_MIN_RATE} to {_MAX_RATE} Hz can be read")
        if not 1 <= channels <= _MAX_CHANNELS:
            raise C3Error(f"the sound has {channels} channels: 1 to {_MAX_CHANNELS} can be read")
        if samples < 1:
            raise C3Error("the sound holds no samples")
        if self.max_seconds is not None and samples > self.max_seconds * rate:
            raise C3Error(f"the sound lasts {samples / rate:.1f} s, more than the limit of {self.max_seconds:g} s")

    def _from_file(self, path: str) -> tuple[Waveform, float]:
        """Return (channels, samples) and the rate."""
        import soundfile

        with open(path, "rb") as handle:
            try:
                # A descriptor, because soundfile would believe a name that ends in `.raw` and not look inside.
                with soundfile.SoundFile(handle.fileno(), closefd=False) as sound:
                    if sound.format not in FORMATS:
                        raise CorruptFile(f"is a {sound.format} file: {', '.join(FORMATS)} can be read")
                    if sound.format != "MP3" or _mp3_has_length(path):
                        return self._decode(sound), float(sound.samplerate)
                with soundfile.SoundFile(_EndlessFile(handle)) as sound:
                    return self._decode(sound), float(sound.samplerate)
            except soundfile.LibsndfileError as error:
                why = error.error_string.strip() or "it cannot be decoded"
                raise CorruptFile(f"is no sound of a known format, or is broken or truncated: {why}") from error

    def _decode(self, sound: Any) -> Waveform:
        """Return all samples of an open file, (channels, samples)."""
        promised = sound.frames if sound.frames < _UNKNOWN_LENGTH else None
        self._check(1 if promised is None else promised, sound.channels, sound.samplerate)
        blocks: list[Waveform] = []
        count = 0
        while len(block := sound.read(_BLOCK // sound.channels, dtype="float32", always_2d=True)):
            blocks.append(block)
            count += len(block)
            self._check(count, sound.channels, sound.samplerate)
        if promised is not None and count != promised:
            raise CorruptFile(f"the file is truncated or broken: it promises {promised} samples and holds {count}")
        if not blocks:
            raise CorruptFile("the sound holds no samples")
        return np.concatenate(blocks).T

    def _from_array(self, array: npt.NDArray[Any], rate: Any) -> tuple[Waveform, float]:
        """Return (channels, samples) and the rate."""
        if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
            got = f"{array.dtype} {array.shape}"
            raise C3Error(f"a sound as an array must be real (samples,) or (channels, samples), got {got}")
        if not isinstance(rate, int | float | np.integer | np.floating):
            raise C3Error(f"the rate of a sound must be a number of Hz, not {type(rate).__name__}")
        waveform, hertz = np.atleast_2d(array), float(rate)
        self._check(waveform.shape[1], waveform.shape[0], hertz)
        if array.dtype.kind == "f":
            return waveform.astype(np.float32), hertz
        half = 2.0 ** (8 * array.dtype.itemsize - 1)
        return (waveform / half - (array.dtype.kind == "u")).astype(np.float32), hertz


def _mp3_has_length(path: str) -> bool:
    """Return whether the first frame of an MP3 tells how many frames there are, as most encoders write it.

    Raises `CorruptFile` if more sound follows what it tells.
    """
    with open(path, "rb") as handle:
        head = handle.read(10)
        tag = 0
        if head[:3] == b"ID3":  # a tag lies before the first frame; four bytes of 7 bits give its size
            tag = 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
        handle.seek(tag)
        frame = handle.read(64)
        start = max(frame.find(b"Xing"), frame.find(b"Info"))
        if start >= 0 and frame[start + 7 : start + 8] and frame[start + 7] & 3 == 3:  # frames and bytes are told
            handle.seek(tag + int.from_bytes(frame[start + 12 : start + 16]))
            after = handle.read(3)
            if after == b"ID3" or (after[:1] == b"\xff" and after[1:2] >= b"\xe0"):  # a tag or a frame
                raise CorruptFile("more sound follows its end, as in two MP3 files that were joined. Convert it again")
    return start >= 0 or b"VBRI" in frame


class _EndlessFile:
    """Make a file claim to have no end, so that libsndfile decodes all of an MP3 without a length header.

    libsndfile guesses the length of such an MP3 from the size of the file and stops there, which may be in the middle.
    From the false size it guesses a length that is never reached.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle, self._position = handle, 0
        self._size = handle.seek(0, os.SEEK_END)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + (0, self._position, _ENDLESS)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, count: int) -> bytes:
        position = self._position
        if self._size <= position < _ENDLESS - self._size or position >= _ENDLESS:
            return b""
        # libsndfile looks for a tag at the end: serve reads near the false end from the true one.
        self._handle.seek(position if position < self._size else position - _ENDLESS + self._size)
        data = self._handle.read(count)
        self._position += len(data)
        return data
