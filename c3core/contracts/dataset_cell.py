"""The cells of a column of Hugging Face `datasets`, as the sources that readers take."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np


def media_type(value: Any) -> str:
    """Return "audio" or "video" for what `datasets` decodes, the name of a file that it does not decode, or "".

    >>> media_type({"array": [0.0], "sampling_rate": 8000}), media_type({"bytes": b"...", "path": "a.png"})
    ('audio', 'a.png')
    """
    if isinstance(value, Mapping):
        return "audio" if {"array", "sampling_rate"} <= value.keys() else str(value.get("path") or "")
    if hasattr(value, "get_all_samples"):  # a decoder of torchcodec
        return "audio"
    return "video" if hasattr(value, "get_frames_played_at") else ""


@contextmanager
def plain_source(value: Any) -> Iterator[Any]:
    """Yield a path or an array with its rate for a cell; any other value as it is.

    A cell holds a file, {"bytes", "path"}, or a wave, {"array", "sampling_rate"}. A sound or a video that `datasets`
    decodes is a decoder of torchcodec, which knows the file that it came from.

    >>> with plain_source({"array": [0.0, 0.5], "sampling_rate": 8000}) as source:
    ...     source
    (array([0. , 0.5]), 8000)
    """
    cell = getattr(value, "_hf_encoded", value)
    if isinstance(cell, Mapping) and {"array", "sampling_rate"} <= cell.keys():
        yield np.asarray(cell["array"]), cell["sampling_rate"]
    elif isinstance(cell, Mapping) and cell.get("bytes") is not None:
        with NamedTemporaryFile(suffix=os.path.splitext(cell.get("path") or "")[1]) as file:
            file.write(cell["bytes"])
            file.flush()
            yield file.name
    elif isinstance(cell, Mapping) and os.path.isfile(cell.get("path") or ""):
        yield cell["path"]
    elif hasattr(value, "get_all_samples"):
        samples = value.get_all_samples()
        yield samples.data.numpy(), float(samples.sample_rate)
    elif hasattr(value, "get_frames_played_at"):
        frames = value[:].numpy()  # (n, 3, height, width), or with the colors at the end
        yield (frames.transpose(0, 2, 3, 1) if frames.shape[1] == 3 else frames), float(value.metadata.average_fps)
    else:
        yield value
