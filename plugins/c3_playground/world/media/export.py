"""Write items as files that other programs read."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from c3_playground.world.media.sounds import SAMPLE_RATE
from c3_playground.world.media.videos import FRAMES_PER_SECOND
from c3core.errors import C3Error, NotInstalled, WrongCall
from c3core.io import atomic_write


class Exported(Protocol):
    """What `export_items` needs of an item."""

    @property
    def id(self) -> str: ...
    @property
    def data(self) -> NDArray[Any]: ...
    @property
    def sentences(self) -> tuple[str, ...]: ...


def write_gif(clip: NDArray[np.uint8], path: Path) -> None:
    """Write a clip without loss. Each frame gets its own palette, which holds 256 colors."""
    from PIL import Image

    frames = []
    for frame in clip:
        palette, index = np.unique(frame.reshape(-1, 3), axis=0, return_inverse=True)
        if len(palette) > 256:
            raise C3Error(f"{path.name}: a frame has {len(palette)} colors and a GIF holds 256. Give .mp4.")
        picture = Image.fromarray(index.reshape(frame.shape[:2]).astype(np.uint8))
        picture.putpalette(palette.astype(np.uint8).tobytes())
        frames.append(picture)
    duration = 1000 // FRAMES_PER_SECOND
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=duration, loop=0, optimize=False, disposal=1)


def write_mp4(clip: NDArray[np.uint8], path: Path) -> None:
    try:
        import av
    except ImportError as error:
        raise NotInstalled('writing .mp4 needs PyAV: pip install "c3core[video]", or write .gif.') from error

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "8"})
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def write_wav(wave: NDArray[np.float32], path: Path) -> None:
    try:
        import soundfile
    except ImportError as error:
        raise NotInstalled('writing sounds needs soundfile: pip install "c3core[audio]"') from error

    soundfile.write(path, wave, SAMPLE_RATE, subtype="PCM_16")


_VIDEO_WRITERS = {".gif": write_gif, ".mp4": write_mp4}


def export_items(items: Sequence[Exported], folder: Path, modality: str, video_suffix: str) -> Path:
    """Write each item and the table of their captions into `folder`, and return the path of the table."""
    if video_suffix not in _VIDEO_WRITERS:
        raise WrongCall(f"clips cannot be written as {video_suffix!r}. Give .gif or .mp4.")
    from c3core.media import write_png  # it imports torch, which the world does not need

    writers: dict[str, tuple[str, Any]] = {
        "image": (".png", write_png),
        "video": (video_suffix, _VIDEO_WRITERS[video_suffix]),
        "audio": (".wav", write_wav),
    }
    suffix, write = writers[modality]
    rows = []
    for item in items:
        name = item.id.rpartition("/")[2] + suffix
        with atomic_write(folder / name) as temporary:
            write(item.data, temporary)
        rows += [(name, sentence) for sentence in item.sentences]
    table = folder / "table.csv"
    with atomic_write(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow((modality, "caption"))
        writer.writerows(rows)
    return table
