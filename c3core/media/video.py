"""Reading videos: a path or an array of frames to evenly spaced frames or short clips, by seeking."""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from c3core.contracts import Reader
from c3core.errors import C3Error, CorruptFile, NotInstalled
from c3core.media.files import regular_file
from c3core.media.image import check_sides

Frames = npt.NDArray[np.uint8]

# Only these: FFmpeg also knows playlists, which would open other files.
_FORMATS = {"format_whitelist": "mov,matroska,avi,gif", "protocol_whitelist": "file"}
# FFmpeg's own VP9 decoder shows most damage as a picture; the format's reference decoder, as fast, refuses it.
_DECODERS = {"vp9": "libvpx-vp9"}
_SLACK = 0.5  # s by which whole files differ from what their heads promise
_AHEAD = 5.0  # s up to which decoding on is cheaper than seeking, until keyframes are found to be farther apart
_NEAR = 1e-6  # s within which two times are the same
_UPRIGHT = (False, False, False)


class Video(ABC):
    """An open video. Times are in s from its first frame; frames are uint8 (n, height, width, 3), RGB, upright."""

    duration: float  # s
    rate: float | None  # frames a second, on average; None when unknown

    @abstractmethod
    def at(self, times: Sequence[float]) -> Frames:
        """The frames that show at the given times, (n, height, width, 3): of each the last that starts no later."""

    def evenly(self, n: int) -> Frames:
        """(n, height, width, 3): the frames in the middle of n equal parts; some repeat where there are fewer."""
        return self.at([(i + 0.5) * self.duration / n for i in range(n)])

    def clips(self, starts: Sequence[float], seconds: float, frames: int) -> Frames:
        """(clips, frames, height, width, 3): of each clip its first, its last and evenly counted frames between.

        A clip holds the frames that start in [start, start + seconds) on the grid of the average rate. What a clip
        lacks at the end of the video is its last frame again.
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
    start at even distances, the first at the start and the last so that it ends with the video; of each, `frames`
    frames. `open` gives the open video for other samplings.

    Sources: the path of an MP4 or MOV, MKV or WebM, AVI or GIF file, known by its content and not by its name; a uint8
    array (n, height, width, 3); or such an array and its frames a second as a pair (clips need the rate).

    PyAV reads them. Refused are frames of more than `max_pixels` pixels, a file that ends more than half a second
    before what its head promises, and a frame that cannot be decoded whole. Making the reader raises `C3Error` when
    PyAV is missing.

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
            raise NotInstalled('PyAV is missing, which reads videos. Run: pip install "c3core[video]"')

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
            return _Array(source, None, self.max_pixels)
        if isinstance(source, tuple | list) and len(source) == 2 and isinstance(source[0], np.ndarray):
            return _Array(source[0], float(source[1]), self.max_pixels)
        kind = type(source).__name__
        raise C3Error(f"a video must be a path or a uint8 array (n, h, w, 3), alone or with its rate, not {kind}")


class _Array(Video):
    def __init__(self, array: npt.NDArray[Any], rate: float | None, max_pixels: int) -> None:
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3 or array.size == 0:
            raise C3Error(f"a video as an array must be uint8 (n, h, w, 3), got {array.dtype} {array.shape}")
        check_sides(array.shape[2], array.shape[1], max_pixels, "the video has frames of")
        if rate is not None and not 0 < rate < np.inf:
            raise C3Error(f"the rate of a video must be above 0 frames a second, got {rate}")
        self._array, self.rate = array, rate
        self._step = 1 / (rate or 1.0)
        self.duration = len(array) * self._step

    def at(self, times: Sequence[float]) -> Frames:
        index = [int((time + _NEAR * self._step) / self._step) for time in self._checked(times)]
        chosen: Frames = self._array[np.clip(index, 0, len(self._array) - 1)]
        return chosen


class _File(Video):
    """A file through PyAV."""

    def __init__(self, path: str, max_pixels: int) -> None:
        import av

        self._av: Any = av
        self._path, self._max_pixels = path, max_pixels
        self._container: Any = None
        self._ahead = _AHEAD
        try:
            self._begin()
            self._measure()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = None

    def at(self, times: Sequence[float]) -> Frames:
        times = self._checked(times)
        chosen: dict[int, Frames] = {}
        shown: tuple[int, Frames] | None = None
        for i in sorted(range(len(times)), key=times.__getitem__):
            self._go_to(times[i])
            if shown is None or shown[0] != self._current.pts:
                shown = self._current.pts, _upright(self._current, self._turn)
            chosen[i] = shown[1]
        if len({frame.shape for frame in chosen.values()}) > 1:
            raise C3Error("the frames of the video differ in size")
        return np.stack([chosen[i] for i in range(len(times))])

    def _begin(self) -> None:
        """Open the file and decode its first frame."""
        self.close()
        try:
            self._container = self._av.open(self._path, container_options=_FORMATS)
            stream = self._container.streams.best("video")
        except (self._av.FFmpegError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise CorruptFile(f"is no video of a known format (MP4, MKV, WebM, AVI, GIF), or broken: {why}") from error
        if stream is None or stream.disposition & self._av.stream.Disposition.attached_pic:
            raise C3Error("the file holds no moving pictures, perhaps sound and a cover")
        if stream.width and stream.height:  # some heads leave it to the first frame
            check_sides(stream.width, stream.height, self._max_pixels, "the video has frames of")
        self._codec = self._decoder(stream)
        # explode: a broken frame is an error, and never a grey or smeared picture.
        self._codec.options = {"err_detect": "explode", "max_pixels": str(self._max_pixels)}
        # The times of an AVI with B-frames are guesses: its frames are counted from the start. A GIF cannot seek.
        self._layout = self._container.format.name
        self._counted = self._layout == "avi" and stream.codec_context.has_b_frames
        self._seeks = not self._counted and self._layout != "gif"
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self.rate = self._rate = rate if 0 < rate < 1000 else 25.0
        self._stream, self._decoded = stream, self._decode()
        first = next(self._decoded, None)
        if first is None:
            raise CorruptFile("the video holds no frame, or is truncated")
        self._first, self._current, self._next = first.pts, first, next(self._decoded, None)

    def _decoder(self, stream: Any) -> Any:
        named = _DECODERS.get(stream.codec_context.name, "")
        if named not in self._av.codecs_available:
            return stream.codec_context
        return self._av.CodecContext.create(named, "r")

    def _decode(self) -> Iterator[Any]:
        """Frames with a time, from where the container stands to its end."""
        count = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    raise CorruptFile("the video is truncated or broken: a frame is cut off")
                for frame in self._codec.decode(packet):
                    if self._counted:
                        frame.pts = round(count / self._rate / self._stream.time_base)
                        count += 1
                    if frame.is_corrupt or frame.pts is None:
                        raise CorruptFile("the video is broken: a frame is damaged or has no time")
                    yield frame
        except self._av.FFmpegError as error:
            raise CorruptFile(f"the video is broken: {error.strerror}") from error

    def _time(self, pts: int) -> float:
        return float((pts - self._first) * self._stream.time_base)

    def _measure(self) -> None:
        """The duration; refuses a file that ends before what its head promises. Reads the last packets alone."""
        stream, tick = self._stream, float(self._stream.time_base)
        self._turn = self._look_for_turn()
        if self._layout == "gif" and not _closed_gif(self._path):
            raise CorruptFile("the video is truncated: a GIF ends with a mark that is missing here")
        promised = (self._container.duration or 0) / 1e6
        if stream.duration:
            promised = ((stream.start_time or 0) + stream.duration) * tick
        near = int((promised - 1) / tick)  # before the end: a keyframe at a cut has nothing behind it that is shown
        self._last, own_end, any_end = self._ends(near)
        if not isfinite(own_end) and near > 0:
            self._last, own_end, any_end = self._ends(0)
        reached = own_end if stream.duration else any_end
        if reached < promised - _SLACK or own_end <= self._first * tick:
            raise CorruptFile(f"the video is truncated: it promises {promised:.1f} s and holds {max(reached, 0):.1f} s")
        self.duration = own_end - self._first * tick

    def _look_for_turn(self) -> tuple[bool, bool, bool]:
        if self._codec is self._stream.codec_context:
            return _turn(self._current)
        # A decoder of our own choice knows the packets, but not what the file says beside them: its own one tells.
        with self._av.open(self._path, container_options=_FORMATS) as container:
            try:
                first = next(container.decode(container.streams[self._stream.index]), None)
            except self._av.FFmpegError as error:
                raise CorruptFile(f"the video is broken: {error.strerror}") from error
            return _UPRIGHT if first is None else _turn(first)

    def _ends(self, near: int) -> tuple[int, float, float]:
        """The last frame's pts, where it ends, and where any stream ends, in s; looks for the end after pts `near`."""
        last, own_end, any_end = self._first, float("-inf"), float("-inf")
        try:
            with self._av.open(self._path, container_options=_FORMATS) as container:
                if near > 0 and self._layout != "gif":
                    container.seek(near, stream=container.streams[self._stream.index])
                for packet in container.demux():
                    pts = packet.dts if packet.pts is None or self._counted else packet.pts
                    if pts is None:
                        continue
                    any_end = max(any_end, float((pts + (packet.duration or 0)) * packet.time_base))
                    if (
                        packet.stream_index != self._stream.index or packet.is_discard
                    ):  # kept, but cut off by an edit list
                        continue
                    if packet.is_corrupt:
                        raise CorruptFile("the video is truncated: its last frame is cut off")
                    last = max(last, pts)
                    length = float(packet.duration * packet.time_base) if packet.duration else 1 / self._rate
                    own_end = max(own_end, float(pts * packet.time_base) + length)
        except self._av.FFmpegError as error:
            raise CorruptFile(f"the video is truncated or broken: {error.strerror}") from error
        return last, own_end, max(own_end, any_end)

    def _go_to(self, time: float) -> None:
        """Make the frame that shows at `time` the current one."""
        here = self._time(self._current.pts)
        if not here <= time + _NEAR or (time > here + self._ahead and self._seeks):
            for back in (0.0, 2.0, 10.0) if self._seeks else ():
                try:
                    if self._seek(max(time - back, 0.0)):
                        landed = self._time(self._current.pts)
                        if landed <= here <= time:  # keyframes are few: seeking so near decodes the same again
                            self._ahead = max(self._ahead, 2 * (time - landed))
                        return self._forward(time)
                except C3Error:  # pictures right after a keyframe may lean on those before it: start farther back
                    continue
            self._begin()
        return self._forward(time)

    def _seek(self, time: float) -> bool:
        """Decode on from the keyframe at or before `time`; False if the container finds none."""
        try:
            self._container.seek(self._first + int(time / self._stream.time_base), stream=self._stream)
            self._codec.flush_buffers()
        except self._av.FFmpegError:
            return False
        self._decoded = self._decode()
        frame = next(self._decoded, None)
        if frame is None or self._time(frame.pts) > time + _NEAR:
            return False
        self._current, self._next = frame, next(self._decoded, None)
        return True

    def _forward(self, time: float) -> None:
        try:
            while self._next is not None and self._time(self._next.pts) <= time + _NEAR:
                self._current, self._next = self._next, next(self._decoded, None)
        except C3Error:
            self._begin()  # or what stood there would pass for a later frame
            raise
        if self._next is None and self._time(self._current.pts) < min(time, self._time(self._last)) - _SLACK:
            raise CorruptFile(f"the video is broken: nothing can be decoded at {time:.3f} s")


def _turn(frame: Any) -> tuple[bool, bool, bool]:
    """What makes a frame upright: to swap rows and columns, then to flip left to right, and top to bottom."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(np.float64)  # x' = a x + c y, y' = b x + d y
    swap = abs(b) > abs(a)
    return bool(swap), bool((c if swap else a) < 0), bool((b if swap else d) < 0)


def _closed_gif(path: str) -> bool:
    """Whether a GIF ends with a closed block and its trailer: FFmpeg decodes half of a last frame that is cut off."""
    with open(path, "rb") as handle:
        handle.seek(-min(os.path.getsize(path), 4096), os.SEEK_END)
        return handle.read().rstrip(b"\0\r\n\t ").endswith(b"\0;")  # some writers end with a line break


def _upright(frame: Any, turn: tuple[bool, bool, bool]) -> Frames:
    picture: Frames = frame.to_ndarray(format="rgb24")
    swap, mirror, flip = turn
    picture = picture.swapaxes(0, 1) if swap else picture
    picture = picture[:, ::-1] if mirror else picture
    return picture[::-1] if flip else picture
