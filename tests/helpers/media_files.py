"""Pictures, sounds and videos with known content, and a whole file of each format."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RATE, FRAMES = 10, 60  # frames a second and frames of the videos: they last 6 s
SIDES = (48, 64)  # height and width of the videos

PICTURES: dict[str, dict[str, Any]] = {
    "baseline.jpg": {"quality": 90},
    "progressive.jpg": {"quality": 90, "progressive": True},
    "plain.png": {},
    "small.png": {"optimize": True},
    "lossy.webp": {"quality": 90},
    "lossless.webp": {"lossless": True},
    "plain.gif": {},
    "raw.tif": {},
    "deflate.tif": {"compression": "tiff_deflate"},
    "lzw.tif": {"compression": "tiff_lzw"},
    "plain.bmp": {},
}
SOUNDS: dict[str, dict[str, Any]] = {
    "plain.wav": {"subtype": "PCM_16"},
    "float.wav": {"subtype": "FLOAT"},
    "plain.flac": {},
    "vorbis.ogg": {},
    "opus.ogg": {"format": "OGG", "subtype": "OPUS"},
    "plain.mp3": {},
    "plain.aiff": {},
}
VIDEOS: dict[str, tuple[str, dict[str, str]]] = {
    "plain.mp4": ("libx264", {}),
    "faststart.mp4": ("libx264", {"movflags": "faststart"}),
    "fragmented.mp4": ("libx264", {"movflags": "frag_keyframe+empty_moov"}),
    "plain.mkv": ("libx264", {}),
    "plain.webm": ("libvpx-vp9", {}),
    "vp8.webm": ("libvpx", {}),
    "plain.avi": ("mpeg4", {}),
    "plain.mov": ("libx265", {}),
}


def picture(height: int = 40, width: int = 56) -> np.ndarray[Any, Any]:
    """Return a smooth color gradient with a little grain, uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin((x + y) / 9)], axis=-1)
    grain = np.random.default_rng(0).normal(0, 4, smooth.shape)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def sound(seconds: float = 5.0, rate: int = 16_000) -> np.ndarray[Any, Any]:
    """Return a sweep from 200 to 3000 Hz whose volume swells, float32 (samples,)."""
    t = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (200 * t + 2800 * t**2 / (2 * seconds))
    return (0.5 * np.sin(phase) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def color(index: int) -> np.ndarray[Any, Any]:
    """Return the color of a frame: any two of 64 differ by 60 in a channel, more than the error of a codec."""
    code = index * 37 % 64
    return np.array([40 + 60 * (code >> shift & 3) for shift in (0, 2, 4)])


def frame(index: int, height: int = SIDES[0], width: int = SIDES[1]) -> np.ndarray[Any, Any]:
    """Return a frame in the color of its index with a black top left quarter, uint8 (height, width, 3)."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = color(index)
    pixels[: height // 2, : width // 2] = 0
    return pixels


def index_of(pixels: np.ndarray[Any, Any], count: int = FRAMES) -> int:
    """Return which of the first `count` frames this is, or -1 if it is none of them."""
    height, width = pixels.shape[:2]
    median = np.median(pixels[height // 2 + 4 :, width // 2 + 4 :].reshape(-1, 3), axis=0)
    error = [float(np.abs(median - color(i)).max()) for i in range(count)]
    black = pixels[: height // 2 - 4, : width // 2 - 4].max() < 40
    return int(np.argmin(error)) if min(error) < 25 and black else -1


def write_video(
    path: Path,
    codec: str,
    *,
    count: int = FRAMES,
    sides: tuple[int, int] = SIDES,
    times: list[int] | None = None,
    pixels: str = "yuv420p",
    rotate: tuple[int, bool, bool] | None = None,
    muxer: dict[str, str] | None = None,
    coder: dict[str, str] | None = None,
    hold: int = 0,
) -> None:
    """Write `count` frames at `RATE` a second, or at `times` in ms, with a keyframe every 12 frames.

    Frame `hold` also replaces those before it.
    """
    import av

    with av.open(str(path), "w", options=muxer or {}) as out:
        stream = out.add_stream(codec, rate=RATE, options=coder or {})
        stream.height, stream.width = sides
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = 12
        if rotate is not None:
            stream.set_display_rotation(rotate[0], hflip=rotate[1], vflip=rotate[2])
        tick = Fraction(1, 1000) if times else Fraction(1, RATE)
        if times:
            stream.codec_context.time_base = tick
        for i in range(count):
            image = av.VideoFrame.from_ndarray(frame(max(i, hold), *sides), format="rgb24")
            image.pts, image.time_base = (times[i] if times else i), tick
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))


def write_gif(path: Path, count: int = FRAMES) -> None:
    """Write `count` frames at `RATE` a second as a GIF."""
    first, *rest = [Image.fromarray(frame(i)) for i in range(count)]
    first.save(path, save_all=True, append_images=rest, duration=1000 // RATE, loop=0)


def write_videos(folder: Path) -> list[Path]:
    """Write a video of each format."""
    import av

    av.logging.set_level(None)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (codec, muxer) in VIDEOS.items():
        write_video(folder / name, codec, muxer=muxer, coder={"x265-params": "log-level=none"})
    write_gif(folder / "plain.gif")
    return [folder / name for name in [*VIDEOS, "plain.gif"]]


def write_media(folder: Path) -> dict[str, list[Path]]:
    """Write a file of each format, and return their paths by medium."""
    import soundfile

    for medium in ("image", "audio"):
        (folder / medium).mkdir(parents=True, exist_ok=True)
    for name, options in PICTURES.items():
        Image.fromarray(picture()).save(folder / "image" / name, **options)
    for name, options in SOUNDS.items():
        soundfile.write(folder / "audio" / name, sound(), 16_000, **options)
    return {
        "image": [folder / "image" / name for name in PICTURES],
        "audio": [folder / "audio" / name for name in SOUNDS],
        "video": write_videos(folder / "video"),
    }
