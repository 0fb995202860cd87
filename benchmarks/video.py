"""Time the video reader, which takes eight frames of a video by PyAV or by decord, against plain decord.

    python benchmarks/video.py [--times 5]

Each figure is the least time of several.
"""

from __future__ import annotations

import argparse
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
from c3core.runtime import progress_bar

FRAMES = 8


def write(path: Path, width: int, height: int, count: int) -> Path:
    """Write a video of moving blocks as H.264, with a keyframe every ten seconds."""
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


def by_decord(path: Path) -> None:
    import decord

    video = decord.VideoReader(str(path), num_threads=1)
    video.get_batch([int((i + 0.5) * len(video) / FRAMES) for i in range(FRAMES)]).asnumpy()


def best(call: Callable[[Path], object], path: Path, times: int) -> float:
    """Return the least time of several, in ms."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        call(path)
        took.append(time.perf_counter() - started)
    return 1000 * min(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    if find_spec("decord") is None:
        sys.exit("decord, which this benchmark compares with, is not installed.")
    sizes = ((320, 240, 250), (1280, 720, 500))
    with tempfile.TemporaryDirectory() as folder, progress_bar("reading videos", total=len(sizes)) as bar:
        for width, height, frames in sizes:
            path = write(Path(folder) / f"{width}.mp4", width, height, frames)
            plain, row = best(by_decord, path, times), {"size": f"{width}x{height}", "frames": frames}
            figures = {"plain_decord_ms": plain}
            for decoder in ("pyav", "decord"):
                figures[f"{decoder}_ms"] = took = best(VideoReader(FRAMES, decoder=decoder).read, path, times)
                figures[f"{decoder}_ratio"] = took / plain
            print(json.dumps(row | {name: round(value, 2) for name, value in figures.items()}))
            bar.advance()


if __name__ == "__main__":
    main()
