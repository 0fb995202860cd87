"""Find frames of a video file by their time, with PyAV."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from c3core.errors import C3Error, CorruptFile
from c3core.media.image import check_sides

Frames = npt.NDArray[np.uint8]
Orientation = tuple[bool, bool, bool]  # swap rows and columns, then flip left to right, then flip top to bottom

# FFmpeg also reads playlists, which open other files: allow only these formats, and files.
_OPEN_OPTIONS = {"format_whitelist": "mov,matroska,avi,gif", "protocol_whitelist": "file"}
_DECODERS = {"vp9": "libvpx-vp9"}  # FFmpeg's own VP9 decoder shows most damage as a picture; this one refuses it
_SLACK = 0.5  # s by which the length of whole files differs from that in their headers
_NEAR = 1e-6  # s: two times that differ less are the same
_DECODE_AHEAD = 5.0  # s: to a later time within these, decoding is faster than seeking (see `_move_to`)
_UPRIGHT: Orientation = (False, False, False)


class VideoFile:
    """An open video file: `duration` in s, and `rate` in frames a second on average.

    The constructor raises `CorruptFile` for a file that is no video, is broken, or ends more than half a second before
    the end that its header promises; and `C3Error` for no video stream or for frames above `max_pixels`.
    """

    def __init__(self, path: str, max_pixels: int) -> None:
        self._path, self._max_pixels = path, max_pixels
        self._container: Any = None
        self._decode_ahead = _DECODE_AHEAD
        try:
            self._open()
            self._measure()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
        self._container = None

    def at(self, times: Sequence[float]) -> Frames:
        """Return the frames that show at the given times, (n, height, width, 3). Raises `C3Error` for a broken one."""
        frames: dict[int, Frames] = {}
        for i in sorted(range(len(times)), key=times.__getitem__):
            self._move_to(times[i])
            frames[i] = _pixels(self._current, self._orientation)
        if len({frame.shape for frame in frames.values()}) > 1:
            raise C3Error("the frames of the video differ in size")
        return np.stack([frames[i] for i in range(len(times))])

    def _open(self) -> None:
        """Open the file, again if it is open, and decode its first frames."""
        self.close()
        try:
            self._container = av.open(self._path, container_options=_OPEN_OPTIONS)
            stream = self._container.streams.best("video")
        except (av.FFmpegError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise CorruptFile(f"is no video of a known format (MP4, MKV, WebM, AVI, GIF), or broken: {why}") from error
        if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
            raise C3Error("the file holds no moving pictures, perhaps sound and a cover")
        if stream.width and stream.height:  # some headers leave the size to the first frame
            check_sides(stream.width, stream.height, self._max_pixels, "the video has frames of")
        self._codec: Any = stream.codec_context
        if (decoder := _DECODERS.get(self._codec.name, "")) in av.codecs_available:
            self._codec = av.CodecContext.create(decoder, "r")
        # explode: a broken frame raises an error, and never gives a grey or smeared picture.
        self._codec.options = {"err_detect": "explode", "max_pixels": str(self._max_pixels)}
        # The times of an AVI with B-frames are guesses, so its frames are counted from the start. A GIF cannot seek.
        self._format = self._container.format.name
        self._counts_frames = self._format == "avi" and stream.codec_context.has_b_frames
        self._can_seek = not self._counts_frames and self._format != "gif"
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        self.rate = rate if 0 < rate < 1000 else 25.0
        self._stream, self._decoded = stream, self._decode()
        first = next(self._decoded, None)
        if first is None:
            raise CorruptFile("the video holds no frame, or is truncated")
        self._first_pts, self._current, self._next = first.pts, first, next(self._decoded, None)

    def _decode(self) -> Iterator[Any]:
        """Yield frames with a time, from the position of the container to its end."""
        count = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    raise CorruptFile("the video is truncated or broken: a frame is cut off")
                for frame in self._codec.decode(packet):
                    if self._counts_frames:
                        frame.pts = round(count / self.rate / self._stream.time_base)
                        count += 1
                    if frame.is_corrupt or frame.pts is None:
                        raise CorruptFile("the video is broken: a frame is damaged or has no time")
                    yield frame
        except av.FFmpegError as error:
            raise CorruptFile(f"the video is broken: {error.strerror}") from error

    def _time(self, pts: int) -> float:
        return float((pts - self._first_pts) * self._stream.time_base)

    def _measure(self) -> None:
        """Find the orientation, the last frame and the duration. Refuse a truncated file."""
        stream, tick = self._stream, float(self._stream.time_base)
        self._orientation = self._find_orientation()
        if self._format == "gif" and not _gif_is_complete(self._path):
            raise CorruptFile("the video is truncated: the end mark of a GIF is missing")
        promised = (self._container.duration or 0) / 1e6
        if stream.duration:
            promised = ((stream.start_time or 0) + stream.duration) * tick
        near_end = int((promised - 1) / tick)  # a keyframe right at a cut has only hidden frames behind it
        self._last_pts, own_end, any_end = self._find_end(near_end)
        if not isfinite(own_end) and near_end > 0:
            self._last_pts, own_end, any_end = self._find_end(0)
        reached = own_end if stream.duration else any_end
        if reached < promised - _SLACK or own_end <= self._first_pts * tick:
            raise CorruptFile(f"the video is truncated: it promises {promised:.1f} s and holds {max(reached, 0):.1f} s")
        self.duration = own_end - self._first_pts * tick

    def _find_orientation(self) -> Orientation:
        if self._codec is self._stream.codec_context:
            return _orientation(self._current)
        # A decoder of `_DECODERS` does not see the orientation, which the container holds: ask the default decoder.
        with av.open(self._path, container_options=_OPEN_OPTIONS) as container:
            try:
                first = next(container.decode(container.streams[self._stream.index]), None)
            except av.FFmpegError as error:
                raise CorruptFile(f"the video is broken: {error.strerror}") from error
            return _UPRIGHT if first is None else _orientation(first)

    def _find_end(self, start: int) -> tuple[int, float, float]:
        """Read the packets from pts `start` on, without decoding them.

        Returns the pts of the last frame, the time in s where the video stream ends, and where the last stream ends.
        """
        last_pts, own_end, any_end = self._first_pts, float("-inf"), float("-inf")
        try:
            with av.open(self._path, container_options=_OPEN_OPTIONS) as container:
                if start > 0 and self._format != "gif":
                    container.seek(start, stream=container.streams[self._stream.index])
                for packet in container.demux():
                    pts = packet.dts if packet.pts is None or self._counts_frames else packet.pts
                    if pts is None:
                        continue
                    any_end = max(any_end, float((pts + (packet.duration or 0)) * packet.time_base))
                    if packet.stream_index != self._stream.index or packet.is_discard:  # an edit list hides it
                        continue
                    if packet.is_corrupt:
                        raise CorruptFile("the video is truncated: its last frame is cut off")
                    last_pts = max(last_pts, pts)
                    length = float(packet.duration * packet.time_base) if packet.duration else 1 / self.rate
                    own_end = max(own_end, float(pts * packet.time_base) + length)
        except av.FFmpegError as error:
            raise CorruptFile(f"the video is truncated or broken: {error.strerror}") from error
        return last_pts, own_end, max(own_end, any_end)

    def _move_to(self, time: float) -> None:
        """Make the frame that shows at `time` the current one."""
        here = self._time(self._current.pts)
        if not here <= time + _NEAR or (time > here + self._decode_ahead and self._can_seek):
            for back in (0.0, 2.0, 10.0) if self._can_seek else ():
                try:
                    if self._seek(max(time - back, 0.0)):
                        landed = self._time(self._current.pts)
                        if landed <= here <= time:  # keyframes are few: seeking would decode the same frames again
                            self._decode_ahead = max(self._decode_ahead, 2 * (time - landed))
                        return self._decode_to(time)
                except C3Error:  # frames right after a keyframe may need those before it: seek farther back
                    continue
            self._open()
        return self._decode_to(time)

    def _seek(self, time: float) -> bool:
        """Go to the keyframe at or before `time`. Returns False if the container finds none."""
        try:
            self._container.seek(self._first_pts + int(time / self._stream.time_base), stream=self._stream)
            self._codec.flush_buffers()
        except av.FFmpegError:
            return False
        self._decoded = self._decode()
        frame = next(self._decoded, None)
        if frame is None or self._time(frame.pts) > time + _NEAR:
            return False
        self._current, self._next = frame, next(self._decoded, None)
        return True

    def _decode_to(self, time: float) -> None:
        try:
            while self._next is not None and self._time(self._next.pts) <= time + _NEAR:
                self._current, self._next = self._next, next(self._decoded, None)
        except C3Error:
            self._open()  # else the frame before the broken one would pass for a later one
            raise
        if self._next is None and self._time(self._current.pts) < min(time, self._time(self._last_pts)) - _SLACK:
            raise CorruptFile(f"the video is broken: nothing can be decoded at {time:.3f} s")


def _orientation(frame: Any) -> Orientation:
    """Return what makes a frame upright, from the display matrix of the file."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return _UPRIGHT
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(np.float64)  # x' = a x + c y, y' = b x + d y
    swap = abs(b) > abs(a)
    return bool(swap), bool((c if swap else a) < 0), bool((b if swap else d) < 0)


def _gif_is_complete(path: str) -> bool:
    """Return whether a GIF ends with a closed block and its trailer: FFmpeg decodes half of a last frame."""
    with open(path, "rb") as handle:
        handle.seek(-min(os.path.getsize(path), 4096), os.SEEK_END)
        return handle.read().rstrip(b"\0\r\n\t ").endswith(b"\0;")  # some writers add a line break


def _pixels(frame: Any, orientation: Orientation) -> Frames:
    pixels: Frames = frame.to_ndarray(format="rgb24")
    swap, mirror, flip = orientation
    pixels = pixels.swapaxes(0, 1) if swap else pixels
    pixels = pixels[:, ::-1] if mirror else pixels
    return pixels[::-1] if flip else pixels
