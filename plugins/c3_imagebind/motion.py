"""Read motion as an inertial measurement unit (IMU) records it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from c3_imagebind.planes import load_npy
from c3core import Reader
from c3core.errors import C3Error
from c3core.media import regular_file

CHANNELS, STEPS = 6, 2000  # x, y, z of the accelerometer and of the gyroscope; 5 s at 400 Hz
_LARGEST = 1 << 22  # bytes of a table, which are about 2000 for each line


class MotionReader(Reader):
    """Reads 2000 time steps as float32 (6, 2000): x, y, z of the accelerometer, then of the gyroscope.

    A source is an array (6, 2000), a .npy file that holds one, or a .csv file of 2000 lines and 6 columns, with or
    without a line of names above. Numbers are not scaled.

    >>> MotionReader().read(np.zeros((6, 2000))).shape
    torch.Size([6, 2000])
    """

    def read(self, source: Any) -> Tensor:
        """The channels of one source. Raises `C3Error` with the reason."""
        if isinstance(source, np.ndarray):
            array = source
        elif isinstance(source, str | os.PathLike):
            array = _table(source) if (found := load_npy(source)) is None else found
        else:
            raise C3Error(f"motion must be a path or an array ({CHANNELS}, {STEPS}), not {type(source).__name__}")
        if array.shape != (CHANNELS, STEPS) or array.dtype.kind not in "fiu":
            raise C3Error(f"motion must be numbers ({CHANNELS}, {STEPS}), got {array.dtype} {array.shape}: resample it")
        motion = np.array(array, dtype=np.float32)
        if not np.isfinite(motion).all():
            raise C3Error("the motion holds NaN or infinite values")
        return torch.from_numpy(motion)


def _table(source: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """The numbers (columns, lines) of a table."""
    path = regular_file(source)
    if os.path.getsize(path) > _LARGEST:
        raise C3Error(f"is neither a .npy file nor a table of {STEPS} lines: it is too large")
    try:
        with open(path, encoding="utf-8-sig") as handle:
            lines = [line for line in handle if line.strip()]
        if not lines:
            raise C3Error("holds only blank lines")
        return np.loadtxt(lines[len(lines) == STEPS + 1 :], delimiter=",", ndmin=2, comments=None).T
    except ValueError as error:  # not UTF-8, not numbers, or lines of unequal length
        raise C3Error(f"is neither a .npy file nor a table of numbers: {error}") from error
