"""Eight frames of a video through the reader, as a ratio to plain decord, in one run.

python benchmarks/video.py [times]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np

from c3core.media import VideoReader

FRAMES = 8


def write(path: Path, width: int, height: int, count: int) -> Path:
    """Blocks that drift, as H.264 with a keyframe every ten seconds."""
    blocks = np.random.default_rng(0).integers(0, 256, (height // 16 + 5, width // 16, 3), dtype=np.uint8)
    blocks = blocks.repeat(16, 0).repeat(16, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "250", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(count):
            frame = np.ascontiguousarray(blocks[number % 64 :][:height])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def by_reader(path: Path) -> None:
    VideoReader(FRAMES).read(path)


def by_decord(path: Path) -> None:
    import decord

    video = decord.VideoReader(str(path), num_threads=1)
    video.get_batch([int((i + 0.5) * len(video) / FRAMES) for i in range(FRAMES)]).asnumpy()


def best(call: Callable[[Path], None], path: Path, times: int) -> float:
    """The least time of several, in ms."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        call(path)
        took.append(time.perf_counter() - begun)
    return 1000 * min(took)


def main(times: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for width, height, count in ((320, 240, 250), (1280, 720, 500)):
            path = write(Path(folder) / f"{width}.mp4", width, height, count)
            reader, plain = best(by_reader, path, times), best(by_decord, path, times)
            row = {
                "size": f"{width}x{height}",
                "frames": count,
                "reader_ms": reader,
                "decord_ms": plain,
                "ratio": reader / plain,
            }
            print(
                json.dumps(
                    {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}
                )
            )


if __name__ == "__main__":
    if find_spec("decord") is None:
        sys.exit("decord, which this compares with, has no build for this machine.")
    main(*map(int, sys.argv[1:]))
