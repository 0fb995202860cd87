"""Read videos: a path or an array of frames becomes evenly spaced frames, or short clips."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from c3core.contracts import Reader
from c3core.errors import C3Error, NotInstalled, WrongCall, near
from c3core.media.files import regular_file
from c3core.media.image import MAX_PIXELS, check_sides

Frames = npt.NDArray[np.uint8]

DECODERS = {"pyav": ("PyAV", "av", "video"), "decord": ("decord", "decord", "decord")}  # title, module, extra

_NEAR = 1e-6  # s, or frames: rounding errors of times are smaller


class Video:
    """An open video: `duration` in s, and `rate` in frames a second on average (None if unknown). `close()` it.

    Times are in s from the first frame. Frames are uint8 RGB (n, height, width, 3), upright.
    """

    def __init__(
        self, duration: float, rate: float | None, frames_at: Callable[[list[float]], Frames], close: Callable[[], None]
    ) -> None:
        self.duration, self.rate, self.close = duration, rate, close
        self._frames_at = frames_at

    def at(self, times: Sequence[float]) -> Frames:
        """Return the frames that show at the given times: for each time, the last frame that starts no later."""
        outside = [time for time in times if not -_NEAR <= time <= self.duration + _NEAR]
        if outside or not len(times):
            what = f"asks for frames at {outside or 'no time'}"
            raise WrongCall(f"{what}: the video lasts from 0 to {self.duration:.3f} s")
        return self._frames_at([float(time) for time in times])

    def evenly(self, n: int) -> Frames:
        """Return the frames in the middle of n equal parts of the video. Frames repeat if it has fewer than n."""
        return self.at([(i + 0.5) * self.duration / n for i in range(n)])

    def clips(self, starts: Sequence[float], seconds: float, frames: int) -> Frames:
        """Return (clips, frames, height, width, 3): the first and the last frame of each clip, and some in between.

        A clip holds the frames that start in [start, start + seconds), as the average rate tells. Those in between are
        evenly spaced. If the video ends before the clip does, its last frame repeats.
        """
        if self.rate is None:
            raise WrongCall("clips need the rate of the frames: give the array and its rate as a pair")
        times: list[float] = []
        for start in starts:
            first = int(np.ceil(start * self.rate - _NEAR))
            last = max(first, int(np.ceil((start + seconds) * self.rate - _NEAR)) - 1)
            times += [(first + (last - first) * i // max(frames - 1, 1) + 0.5) / self.rate for i in range(frames)]
        flat = self.at([min(time, self.duration) for time in times])
        return flat.reshape(len(starts), frames, *flat.shape[1:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class VideoReader(Reader):
    """Read frames of a video, uint8 RGB, upright: (frames, height, width, 3), or (clips, frames, height, width, 3).

    Without `clips`, the frames are spread evenly over the video. With `clips`, so many clips of `seconds` each, of
    `frames` frames, start at even distances: the first clip starts with the video, the last one ends with it. `open`
    gives the open video, to sample it otherwise.

    Sources: the path of an MP4, MOV, MKV, WebM, AVI or GIF file, which is known by its content and not by its name; a
    uint8 array (n, height, width, 3); or a pair of such an array and its frames a second, which clips need.

    A file is refused if its frames have more than `max_pixels` pixels, if it ends more than half a second before the
    end that its header promises, or if a frame cannot be decoded whole. `decoder` "pyav" decodes files so; "decord"
    gives the same frames of whole files faster, reads no GIF, and shows many damaged files as other pictures.

    The constructor raises `WrongCall` for options out of range, and `NotInstalled` without the decoder.

    >>> VideoReader(frames=4).read(np.zeros((9, 2, 6, 3), dtype=np.uint8)).shape
    (4, 2, 6, 3)
    """

    def __init__(
        self,
        frames: int = 8,
        *,
        clips: int | None = None,
        seconds: float = 2.0,
        max_pixels: int = MAX_PIXELS,
        decoder: str = "pyav",
    ) -> None:
        if frames < 1 or (clips is not None and clips < 1) or not seconds > 0:
            raise WrongCall(f"frames and clips must be 1 or more and seconds above 0, got {frames}, {clips}, {seconds}")
        self.frames, self.clips, self.seconds, self.max_pixels = frames, clips, seconds, max_pixels
        if decoder not in DECODERS:
            raise WrongCall(f"no decoder of videos is called {decoder!r}: {near(decoder, DECODERS)}")
        self.decoder, (title, module, extra) = decoder, DECODERS[decoder]
        if importlib.util.find_spec(module) is None:
            raise NotInstalled(f'{title} is needed to read videos. Run: pip install "c3core[{extra}]"')

    def read(self, source: Any) -> Frames:
        """Return the frames or clips. Raises `C3Error` with the reason."""
        with self.open(source) as video:
            if self.clips is None:
                return video.evenly(self.frames)
            starts = np.linspace(0, max(video.duration - self.seconds, 0.0), self.clips)
            return video.clips(starts.tolist(), self.seconds, self.frames)

    def open(self, source: Any) -> Video:
        """Open a video, to sample it in several ways. Close it, or use it in a `with` block."""
        if isinstance(source, str | os.PathLike):
            file = self._file_type()(regular_file(source), self.max_pixels)
            return Video(file.duration, file.rate, file.at, file.close)
        array, rate = source if isinstance(source, tuple | list) and len(source) == 2 else (source, None)
        if isinstance(array, np.ndarray):
            return _open_array(array, None if rate is None else float(rate), self.max_pixels)
        kind = type(source).__name__
        raise C3Error(f"a video must be a path, a uint8 array (n, h, w, 3), or such an array and its rate, not {kind}")

    def _file_type(self) -> Any:
        if self.decoder == "decord":
            from c3core.media.video_decord import DecordFile

            return DecordFile
        from c3core.media.video_file import VideoFile

        return VideoFile


def _open_array(array: npt.NDArray[Any], rate: float | None, max_pixels: int) -> Video:
    """Return an array of frames as a video. Without a rate, a frame lasts 1 s."""
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or array.size == 0:
        raise C3Error(f"a video as an array must be uint8 (n, h, w, 3), got {array.dtype} {array.shape}")
    check_sides(array.shape[2], array.shape[1], max_pixels, "the video has frames of")
    if rate is not None and not 0 < rate < np.inf:
        raise C3Error(f"the rate of a video must be above 0 frames a second, got {rate}")
    length = 1 / (rate or 1.0)

    def frames_at(times: list[float]) -> Frames:
        index = [int((time + _NEAR * length) / length) for time in times]
        frames: Frames = array[np.clip(index, 0, len(array) - 1)]
        return frames

    return Video(len(array) * length, rate, frames_at, lambda: None)
