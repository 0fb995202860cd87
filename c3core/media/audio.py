"""Reading sounds: a path or an array with its rate to a float32 wave at one sample rate."""

from __future__ import annotations

import importlib.util
import os
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from c3core.contracts import Reader
from c3core.errors import C3Error, CorruptFile, NotInstalled
from c3core.media.files import regular_file

Wave = npt.NDArray[np.float32]

# Only these: libsndfile also knows formats without a telling head, and would find them in noise.
FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3")

_RATES = (4_000, 384_000)  # Hz; what lies outside comes from a broken head, and would ask for absurd memory
_CHANNELS = 64
_ENDLESS = 1 << 40  # bytes
_GUESSED = 1 << 36  # samples: no file says so many, but the guess about an endless one is beyond
_BLOCK = 1 << 20  # values a read: a head that lies about the length then costs no memory


class AudioReader(Reader):
    """A float32 wave at `sample_rate` Hz: (samples,) when `mono`, the mean of the channels, else (channels, samples).

    Sources: the path of a WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU or CAF file, known by its content and not by
    its name; or an array and its rate in Hz as a pair, the array (samples,) or (channels, samples). Full scale is
    -1 to 1: integers are scaled to it, floats are left as they are.

    Another rate than `sample_rate` is resampled (librosa with soxr, high quality). A sound that lasts more than
    `max_seconds` is refused before it is decoded; None sets no limit. A truncated file is refused, or
    gives the part that is there (WAV, AIFF, AU and Ogg). Making the reader raises `C3Error` when soundfile or librosa
    is missing.

    >>> AudioReader(8000).read((np.zeros((2, 16000)), 16000)).shape
    (8000,)
    """

    def __init__(self, sample_rate: int = 16_000, mono: bool = True, max_seconds: float | None = None) -> None:
        if not _RATES[0] <= sample_rate <= _RATES[1]:
            raise C3Error(f"sample_rate must lie between {_RATES[0]} and {_RATES[1]} Hz, got {sample_rate}")
        if max_seconds is not None and not max_seconds > 0:
            raise C3Error(f"max_seconds must be above 0, got {max_seconds}")
        self.sample_rate, self.mono, self.max_seconds = sample_rate, mono, max_seconds
        _soundfile()
        if importlib.util.find_spec("librosa") is None:
            _missing("librosa")

    def read(self, source: Any) -> Wave:
        """The wave. Raises `C3Error` with the reason."""
        if isinstance(source, str | os.PathLike):
            wave, rate = self._from_file(regular_file(source))
        elif isinstance(source, tuple | list) and len(source) == 2 and isinstance(source[0], np.ndarray):
            wave, rate = self._from_array(*source)
        else:
            kind = type(source).__name__
            raise C3Error(f"a sound must be a path, or a pair of an array and its rate in Hz, not {kind}")
        if not np.isfinite(wave).all():
            raise C3Error("the sound holds NaN or infinite samples")
        if self.mono:
            wave = wave.mean(axis=0)
        if rate != self.sample_rate:
            import librosa

            wave = librosa.resample(wave, orig_sr=rate, target_sr=self.sample_rate, res_type="soxr_hq")
        if not wave.size:
            raise C3Error("the sound holds no samples")
        return np.ascontiguousarray(wave, dtype=np.float32)

    def _check(self, samples: int, channels: int, rate: float) -> None:
        if not _RATES[0] <= rate <= _RATES[1]:
            raise C3Error(f"the sound claims {rate:g} Hz: rates from {_RATES[0]} to {_RATES[1]} Hz can be read")
        if not 1 <= channels <= _CHANNELS:
            raise C3Error(f"the sound has {channels} channels: 1 to {_CHANNELS} can be read")
        if samples < 1:
            raise C3Error("the sound holds no samples")
        if self.max_seconds is not None and samples > self.max_seconds * rate:
            raise C3Error(f"the sound lasts {samples / rate:.1f} s, more than the limit of {self.max_seconds:g} s")

    def _from_file(self, path: str) -> tuple[Wave, float]:
        """(channels, samples) and the rate."""
        soundfile = _soundfile()
        with open(path, "rb") as handle:
            try:
                # By descriptor: given a name, soundfile would trust a `.raw` ending rather than look inside.
                with soundfile.SoundFile(handle.fileno(), closefd=False) as sound:
                    if sound.format not in FORMATS:
                        raise C3Error(f"is a {sound.format} file: {', '.join(FORMATS)} can be read")
                    if sound.format != "MP3" or _says_its_length(path):
                        return self._samples(sound), float(sound.samplerate)
                with soundfile.SoundFile(_Endless(handle)) as sound:
                    return self._samples(sound), float(sound.samplerate)
            except soundfile.LibsndfileError as error:
                why = error.error_string.strip() or "it cannot be decoded"
                raise CorruptFile(f"is no sound of a known format, or is broken or truncated: {why}") from error

    def _samples(self, sound: Any) -> Wave:
        """(channels, samples), all that the open file holds."""
        promised = sound.frames if sound.frames < _GUESSED else None
        self._check(promised or 1, sound.channels, sound.samplerate)
        blocks: list[Wave] = []
        held = 0
        while len(block := sound.read(_BLOCK // sound.channels, dtype="float32", always_2d=True)):
            blocks.append(block)
            held += len(block)
            self._check(held, sound.channels, sound.samplerate)
        if held != (held if promised is None else promised):
            raise CorruptFile(f"the file is truncated or broken: it promises {promised} samples and holds {held}")
        return np.concatenate(blocks).T if blocks else np.zeros((sound.channels, 0), np.float32)

    def _from_array(self, array: npt.NDArray[Any], rate: Any) -> tuple[Wave, float]:
        if array.ndim not in (1, 2) or array.dtype.kind not in "fiu":
            got = f"{array.dtype} {array.shape}"
            raise C3Error(f"a sound as an array must be real (samples,) or (channels, samples), got {got}")
        if not isinstance(rate, int | float | np.integer | np.floating):
            raise C3Error(f"the rate of a sound must be a number of Hz, not {type(rate).__name__}")
        wave, hertz = np.atleast_2d(array), float(rate)
        self._check(wave.shape[1], wave.shape[0], hertz)
        if array.dtype.kind == "f":
            return wave.astype(np.float32), hertz
        half = 2.0 ** (8 * array.dtype.itemsize - 1)
        return (wave / half - (array.dtype.kind == "u")).astype(np.float32), hertz


def _says_its_length(path: str) -> bool:
    """Whether the first frame of an MP3 says how many there are, as encoders write it today."""
    with open(path, "rb") as handle:
        head = handle.read(10)
        tag = (
            10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
            if head[:3] == b"ID3"
            else 0
        )
        handle.seek(tag)
        frame = handle.read(64)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


class _Endless:
    """A file that claims to have no end.

    Where the head of an MP3 does not say how long it is, libsndfile guesses from the size of the file and stops there,
    which may be in the middle. A size that cannot be makes the guess one that is never reached.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle, self._at = handle, 0
        self._size = handle.seek(0, os.SEEK_END)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, _ENDLESS)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int) -> bytes:
        from_end = self._at - _ENDLESS  # the end itself is looked at for a tag, and has to be there
        if self._at >= self._size and not -self._size <= from_end < 0:
            return b""
        self._handle.seek(self._at if self._at < self._size else self._size + from_end)
        data = self._handle.read(count)
        self._at += len(data)
        return data


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package without its C library
        _missing("soundfile")
    return soundfile


def _missing(library: str) -> NoReturn:
    raise NotInstalled(f'{library} is missing, which reads sounds. Run: pip install "c3core[audio]"') from None
