"""Find frames of a video file by their time, with decord."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from c3core.errors import CorruptFile, lines_of
from c3core.media.image import check_sides

with suppress(ImportError):
    import av  # noqa: F401  before decord, whose own FFmpeg it would use otherwise
import decord

Frames = npt.NDArray[np.uint8]

_NEAR = 1e-6  # s: two times that differ less are the same
_ADVICE = "cannot read it. PyAV, the default, may"
_LONGEST = 1e6  # s that a frame can last


class DecordFile:
    """An open video file: `duration` in s, and `rate` in frames a second on average.

    The constructor raises `CorruptFile` for a file that decord cannot open, and `C3Error` for frames above
    `max_pixels`.
    """

    def __init__(self, path: str, max_pixels: int) -> None:
        self._video = _ask(lambda: decord.VideoReader(path, num_threads=1))
        height, width = _ask(partial(self._frame, 0)).shape[:2]
        check_sides(width, height, max_pixels, "the video has frames of")
        count, self.rate = len(self._video), float(self._video.get_avg_fps())
        times = np.asarray(self._video.get_frame_timestamp(range(count)), dtype=np.float64)
        self._starts, self.duration = times[:, 0] - times[0, 0], float(times[-1, 1] - times[0, 0])
        if not 0 < self.duration < count * _LONGEST or (np.diff(self._starts) <= 0).any():
            raise CorruptFile(f"the video does not say when its frames show, so that decord {_ADVICE}")

    def at(self, times: Sequence[float]) -> Frames:
        """Return the frames that show at the given times, (n, height, width, 3)."""
        index = (np.searchsorted(self._starts, np.asarray(times) + _NEAR, side="right") - 1).clip(0).tolist()
        frames = {i: _ask(partial(self._frame, i)) for i in sorted(set(index))}
        return np.stack([frames[i] for i in index])

    def _frame(self, number: int) -> Frames:
        frame: Frames = self._video[number].asnumpy()  # `get_batch` fails for a frame that it turns upright
        height, width, _ = frame.shape
        return frame.reshape(height, -1)[:, : 3 * width].reshape(height, width, 3)  # without the padding of short rows

    def close(self) -> None:
        """Close the file."""
        del self._video


def _ask(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (decord.DECORDError, RuntimeError, IndexError) as error:
        why = lines_of(error)[0].split("] ")[-1].split(", ")[0]
        raise CorruptFile(f"decord {_ADVICE} ({why})") from error
