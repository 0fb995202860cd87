"""Reading videos: a path or an array of frames to evenly spaced frames or short clips, by seeking."""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from c3core.contracts import Reader
from c3core.errors import C3Error
from c3core.readers import regular_file

Frames = npt.NDArray[np.uint8]

# Only these: FFmpeg also knows playlists, which would open other files.
_FORMATS = {"format_whitelist": "mov,matroska,avi,gif", "protocol_whitelist": "file"}
_SLACK = 0.5  # s by which whole files differ from what their heads promise
_AHEAD = 5.0  # s up to which decoding on is cheaper than seeking (keyframes are rarely closer together)
_NEAR = 1e-6  # s within which two times are the same


class Video(ABC):
    """An open video. Times are in seconds from its first frame; frames are uint8 (n, height, width, 3), RGB, upright."""

    duration: float  # s
    rate: float | None  # frames a second, on average; None when unknown

    @abstractmethod
    def at(self, times: Sequence[float]) -> Frames:
        """The frames that show at the given times, (n, height, width, 3): of each the last that starts no later."""

    def evenly(self, n: int) -> Frames:
        """(n, height, width, 3): the frames in the middle of n equal parts. Frames repeat when there are fewer than n."""
        return self.at([(i + 0.5) * self.duration / n for i in range(n)])

    def clips(self, starts: Sequence[float], seconds: float, frames: int) -> Frames:
        """(clips, frames, height, width, 3): of each clip its first, its last and evenly counted frames between.

        A clip holds the frames that start in [start, start + seconds) on the grid of the average rate. What a clip lacks
        at the end of the video is its last frame again.
        """
        if self.rate is None:
            raise C3Error("clips need the frames' rate: give the array and its rate as a pair")
        times: list[float] = []
        for start in starts:
            first = int(np.ceil(start * self.rate - _NEAR))
            last = max(first, int(np.ceil((start + seconds) * self.rate - _NEAR)) - 1)
            times += [(first + (last - first) * i // max(frames - 1, 1) + 0.5) / self.rate for i in range(frames)]
        chosen = self.at([min(time, self.duration) for time in times])
        return chosen.reshape(len(starts), frames, *chosen.shape[1:])

    def close(self) -> None:  # noqa: B027  an array has nothing to close
        """Let go of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _checked(self, times: Sequence[float]) -> list[float]:
        wrong = [time for time in times if not -_NEAR <= time <= self.duration + _NEAR]
        if wrong or not len(times):
            raise C3Error(f"asks for frames at {wrong or 'no time'}: the video lasts from 0 to {self.duration:.3f} s")
        return [float(time) for time in times]


class VideoReader(Reader):
    """Frames of a video, uint8 RGB, upright: (frames, height, width, 3), or (clips, frames, height, width, 3).

    Without `clips`, the frames are spread evenly over the whole video. With `clips`, that many clips of `seconds` each
    start at even distances, the first at the start and the last so that it ends with the video; of each, `frames` frames.

    Sources: the path of an MP4 or MOV, MKV or WebM, AVI or GIF file, known by its content and not by its name; a uint8
    array (n, height, width, 3); or such an array and its frames a second as a pair (clips need the rate).

    PyAV opens every file and sees whether it is whole. Where decord is installed, it decodes plain MP4 and MKV files; PyAV
    decodes AVI, GIF, turned and trimmed files, all that decord fails on or counts otherwise, and every file without
    decord. Frames of more than `max_pixels` pixels are refused. A file that ends more than half a second before what its
    head promises is refused. Making the reader raises `C3Error` when PyAV is missing.

    >>> VideoReader(frames=4).read(np.zeros((9, 2, 6, 3), dtype=np.uint8)).shape
    (4, 2, 6, 3)
    """

    def __init__(
        self, frames: int = 8, *, clips: int | None = None, seconds: float = 2.0, max_pixels: int = 89_478_485
    ) -> None:
        if frames < 1 or (clips is not None and clips < 1) or not seconds > 0:
            raise C3Error(f"frames and clips must be 1 or more and seconds above 0, got {frames}, {clips}, {seconds}")
        self.frames, self.clips, self.seconds, self.max_pixels = frames, clips, seconds, max_pixels
        if importlib.util.find_spec("av") is None:
            raise C3Error('PyAV is missing, which reads videos. Run: pip install "c3core[video]"')

    def read(self, source: Any) -> Frames:
        """The frames or clips. Raises `C3Error` with the reason."""
        with self.open(source) as video:
            if self.clips is None:
                return video.evenly(self.frames)
            starts = np.linspace(0, max(video.duration - self.seconds, 0.0), self.clips)
            return video.clips(starts.tolist(), self.seconds, self.frames)

    def open(self, source: Any) -> Video:
        """The open video, for several samplings of one source. Close it, or use it in a `with` block."""
        if isinstance(source, str | os.PathLike):
            return _File(regular_file(source), self.max_pixels)
        if isinstance(source, np.ndarray):
            return _Array(source, None)
        if isinstance(source, tuple | list) and len(source) == 2 and isinstance(source[0], np.ndarray):
            return _Array(source[0], float(source[1]))
        kind = type(source).__name__
        raise C3Error(f"a video must be a path or a uint8 array (n, h, w, 3), alone or with its rate, not {kind}")


class _Array(Video):
    def __init__(self, array: npt.NDArray[Any], rate: float | None) -> None:
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or array.size == 0:
            raise C3Error(f"a video as an array must be uint8 (n, h, w, 3), got {array.dtype} {array.shape}")
        if rate is not None and not 0 < rate < np.inf:
            raise C3Error(f"the rate of a video must be above 0 frames a second, got {rate}")
        self._array, self.rate = array, rate
        self._step = 1 / (rate or 1.0)
        self.duration = len(array) * self._step

    def at(self, times: Sequence[float]) -> Frames:
        index = [int((time + _NEAR * self._step) / self._step) for time in self._checked(times)]
        return self._array[np.clip(index, 0, len(self._array) - 1)]


class _File(Video):
    """A file through PyAV, and through decord where that is right."""

    def __init__(self, path: str, max_pixels: int) -> None:
        self._path, self._max_pixels = path, max_pixels
        self._container: Any = None
        try:
            self._begin()
            self._measure()
            self._begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def at(self, times: Sequence[float]) -> Frames:
        times = self._checked(times)
        frames = self._by_decord(times) if self._plain else None
        return self._by_pyav(times) if frames is None else frames

    def _begin(self) -> None:
        """Open the file and decode its first frame."""
        import av

        self.close()
        try:
            self._container = av.open(self._path, container_options=_FORMATS)
            stream = self._container.streams.best("video")
        except (av.FFmpegError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise C3Error(f"is no video of a known format (MP4, MKV, WebM, AVI, GIF), or broken: {why}") from error
        if stream is None:
            raise C3Error("the file holds no pictures, perhaps sound alone")
        if stream.width * stream.height > self._max_pixels:
            size = f"{stream.width} x {stream.height} pixels"
            raise C3Error(f"the video has frames of {size}, more than the limit of {self._max_pixels}")
        # explode: a broken frame is an error, and never a grey or smeared picture.
        stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(self._max_pixels)}
        self._stream, self._decoded = stream, self._decode()
        first = next(self._decoded, None)
        if first is None:
            raise C3Error("the video holds no frame, or is truncated")
        self._first, self._current, self._next = first.pts, first, next(self._decoded, None)

    def _decode(self) -> Iterator[Any]:
        """Frames with a time, from where the container stands to its end."""
        import av

        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    raise C3Error("the video is truncated or broken: a frame is cut off")
                for frame in packet.decode():
                    if frame.is_corrupt or frame.pts is None:
                        raise C3Error("the video is broken: a frame is damaged or has no time")
                    yield frame
        except av.FFmpegError as error:
            raise C3Error(f"the video is broken: {error.strerror}") from error

    def _time(self, pts: int) -> float:
        return float((pts - self._first) * self._stream.time_base)

    def _measure(self) -> None:
        """Duration and rate; refuses a file that ends before what its head promises. Reads the last packets alone."""
        container, stream = self._container, self._stream
        start, tick = stream.start_time or 0, float(stream.time_base)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self.rate = rate if 0 < rate < 1000 else 25.0
        last, own_end, any_end = self._ends()
        if stream.duration:
            promised, reached = (start + stream.duration) * tick, own_end
        else:
            promised, reached = (container.duration or 0) / 1e6, any_end
        if reached < promised - _SLACK:
            raise C3Error(f"the video is truncated: it promises {promised:.1f} s and holds {max(reached, 0):.1f} s")
        self._last = last
        self.duration = own_end - self._first * tick
        turn, mirrored = _turn(self._current)
        self._plain = container.format.name.startswith(("mov", "matroska")) and not (turn or mirrored or self._trimmed)

    def _by_pyav(self, times: list[float]) -> Frames:
        chosen: dict[int, Frames] = {}
        shown: tuple[int, Frames] | None = None
        for i in sorted(range(len(times)), key=times.__getitem__):
            self._go_to(times[i])
            if shown is None or shown[0] != self._current.pts:
                shown = self._current.pts, _upright(self._current)
            chosen[i] = shown[1]
        if len({frame.shape for frame in chosen.values()}) > 1:
            raise C3Error("the frames of the video differ in size")
        return np.stack([chosen[i] for i in range(len(times))])
