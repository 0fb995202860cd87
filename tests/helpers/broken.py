"""Whole files of every format, and broken ones made of them; run as a script, it reads them all and reports.

`python broken.py FOLDER [SEED] | python broken.py --table` counts what came out, for each format and way of breaking it.
`python broken.py FOLDER [SEED]` makes the corpus in FOLDER, reads each file with its medium's reader and prints two
JSON lines a file: `case` before it reads, then what came out. A file that takes longer than `LIMIT` seconds ends the
process, so a crash or a hang shows as a `case` without an outcome.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

LIMIT = 10  # s a file
RATE, FRAMES = 10, 60  # of the videos: 6 s
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
    """A smooth colour field with a little grain, uint8 (height, width, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin((x + y) / 9)], axis=-1)
    grain = np.random.default_rng(0).normal(0, 4, smooth.shape)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def sound(seconds: float = 5.0, rate: int = 16_000) -> np.ndarray[Any, Any]:
    """A sweep from 200 to 3000 Hz with a slow swell, float32 (samples,)."""
    t = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * (200 * t + 2800 * t**2 / (2 * seconds))
    return (0.5 * np.sin(phase) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))).astype(np.float32)


def colour(index: int) -> np.ndarray[Any, Any]:
    """A colour that tells which of 64 frames it is: any two differ by 60 in a channel, more than a codec's error."""
    code = index * 37 % 64
    return np.array([40 + 60 * (code >> shift & 3) for shift in (0, 2, 4)])


def frame(index: int, height: int = SIDES[0], width: int = SIDES[1]) -> np.ndarray[Any, Any]:
    """A frame in the colour of its index with a black top left quarter, uint8 (height, width, 3)."""
    made = np.empty((height, width, 3), np.uint8)
    made[:] = colour(index)
    made[: height // 2, : width // 2] = 0
    return made


def index_of(shown: np.ndarray[Any, Any], count: int = FRAMES) -> int:
    """Which frame is shown: -1 when its colour is none of the first `count` frames' or the quarter is not black."""
    height, width = shown.shape[:2]
    found = np.median(shown[height // 2 + 4 :, width // 2 + 4 :].reshape(-1, 3), axis=0)
    error = [float(np.abs(found - colour(i)).max()) for i in range(count)]
    black = shown[: height // 2 - 4, : width // 2 - 4].max() < 40
    return int(np.argmin(error)) if min(error) < 25 and black else -1


def write_video(
    path: Path | str,
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
    """`count` frames at `RATE` a second, or at `times` in ms, a keyframe every 12; frame `hold` stands for those before."""
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
            made = av.VideoFrame.from_ndarray(frame(max(i, hold), *sides), format="rgb24")
            made.pts, made.time_base = (times[i] if times else i), tick
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))


def write_gif(path: Path | str, count: int = FRAMES) -> None:
    first, *rest = [Image.fromarray(frame(i)) for i in range(count)]
    first.save(path, save_all=True, append_images=rest, duration=1000 // RATE, loop=0)


def write_whole(folder: Path) -> dict[str, list[Path]]:
    """A whole file of each format, by medium."""
    import av
    import soundfile

    av.logging.set_level(None)
    for medium in ("image", "audio", "video"):
        (folder / medium).mkdir(parents=True, exist_ok=True)
    for name, options in PICTURES.items():
        Image.fromarray(picture()).save(folder / "image" / name, **options)
    for name, options in SOUNDS.items():
        soundfile.write(folder / "audio" / name, sound(), 16_000, **options)
    for name, (codec, muxer) in VIDEOS.items():
        write_video(folder / "video" / name, codec, muxer=muxer, coder={"x265-params": "log-level=none"})
    write_gif(folder / "video" / "plain.gif")
    names = {"image": PICTURES, "audio": SOUNDS, "video": [*VIDEOS, "plain.gif"]}
    return {medium: [folder / medium / name for name in listed] for medium, listed in names.items()}


class Case(NamedTuple):
    medium: str
    kind: str  # "whole", "cut", "flipped", "renamed", "alien", "noise" or "special"
    path: str
    whole: str  # the file that it was made of, or ""


def corpus(folder: Path, seed: int = 0) -> Iterator[Case]:
    """Every case, whole files first. `seed` moves the flipped bytes and the noise."""
    draw = random.Random(seed)
    wholes = write_whole(folder)
    broken = folder / "broken"
    broken.mkdir()
    for medium, paths in wholes.items():
        for path in paths:
            yield Case(medium, "whole", str(path), str(path))
            data = path.read_bytes()

            def make(kind: str, label: str, content: bytes, medium: str = medium, path: Path = path) -> Case:
                stem, suffix = (path.stem, path.suffix) if kind != "renamed" else (path.name, label)
                made = broken / f"{medium}-{stem}-{kind}-{label.strip('.')}{suffix}"
                made.write_bytes(content)
                return Case(medium, kind, str(made), str(path))

            for tenth in range(1, 10):
                yield make("cut", f"{tenth}", data[: len(data) * tenth // 10])
            for size in (1, 12, len(data) - 1):
                yield make("cut", f"{size}bytes", data[:size])
            for many in range(8):
                flipped = bytearray(data)
                for _ in range(2**many):
                    flipped[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
                yield make("flipped", f"{many}", bytes(flipped))
            for suffix in (".jpg", ".wav", ".mp4", ".raw"):
                yield make("renamed", suffix, data)
            for other in wholes:
                if other != medium and not (path.suffix == ".gif" and {other, medium} == {"image", "video"}):
                    yield Case(other, "alien", str(path), str(path))
        for length in (1, 100, 10_000):
            noise = broken / f"{medium}-noise-{length}"
            noise.write_bytes(draw.randbytes(length))
            yield Case(medium, "noise", str(noise), "")
    for path in specials(folder / "special"):
        for medium in wholes:
            yield Case(medium, "special", path, "")


def specials(folder: Path) -> list[str]:
    """Paths of what is no plain file with something in it."""
    folder.mkdir()
    (folder / "directory.png").mkdir()
    (folder / "empty.wav").touch()
    (folder / "broken-link.mp4").symlink_to(folder / "nowhere")
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    (folder / "text.mp4").write_text("#EXTM3U\nhttp://127.0.0.1:9/a.ts\n")
    os.mkfifo(folder / "pipe.jpg")
    here = os.getcwd()
    os.chdir(folder)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.ogg")
    os.chdir(here)
    names = sorted(str(path) for path in folder.iterdir())
    return [*names, "/dev/zero", "/dev/null", str(folder / "missing"), f"{folder}/empty.wav/below", "", " ", "a\0b"]


def outcome(case: Case, readers: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """What reading a case gave: `why` it was refused, or how its item compares with the whole file's."""
    from c3core.contracts import BadItem

    item = readers[case.medium](case.path)
    if isinstance(item, BadItem):
        return {"why": item.why}
    if case.medium == "image":
        pixels = np.asarray(item)
        good = item.mode == "RGB" and pixels.ndim == 3
        reference = whole.get(case.whole)
        return {"good": good, "same": reference is not None and np.array_equal(pixels, reference)}
    if case.medium == "audio":
        good = item.dtype == np.float32 and item.ndim == 1 and bool(np.isfinite(item).all())
        reference = whole.get(case.whole)
        if reference is None or len(item) > len(reference):
            return {"good": good, "same": False, "part": False}
        # A lossy codec's last block fades for want of the next: all before it must be the whole file's.
        heard = max(len(item) - (2048 if case.whole.endswith(("ogg", "mp3")) else 0), 0)
        part = bool(np.abs(item[:heard] - reference[:heard]).max(initial=0) < 1e-4)
        return {"good": good, "same": np.array_equal(item, reference), "part": part, "length": len(item)}
    with readers["video"].open(case.path) as video:
        expected = [int((i + 0.5) * video.duration / len(item) * RATE + 1e-6) for i in range(len(item))]
        shown = [index_of(one) for one in item] if item.shape[1:3] == SIDES else []
        good = item.dtype == np.uint8 and item.ndim == 4 and item.shape[-1] == 3
        part, whole_length = shown == expected, abs(video.duration - FRAMES / RATE) < 0.05
        return {"good": good, "same": part and whole_length, "part": part, "length": video.duration}


def main(folder: Path, seed: int) -> None:
    from c3core.media.audio import AudioReader
    from c3core.media.image import ImageReader
    from c3core.media.video import VideoReader

    readers = {"image": ImageReader(), "audio": AudioReader(), "video": VideoReader(8)}
    whole: dict[str, Any] = {}
    for case in corpus(folder, seed):
        if case.kind == "whole" and case.medium != "video":
            whole[case.path] = np.asarray(readers[case.medium].read(case.path))
        print(json.dumps({"case": case}), flush=True)
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        found = outcome(case, readers, whole)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps({"case": case, **found}), flush=True)


def table(lines: Iterable[str]) -> str:
    """Of each format, by the way it was broken: refused / as the whole file / a part that is right / another item, without a word."""
    kinds, counts = ("whole", "renamed", "cut", "flipped"), Counter[tuple[str, str, str]]()
    for line in lines:
        found = json.loads(line)
        _, kind, _, whole = found["case"]
        if len(found) > 1 and kind in kinds:
            came = "why" if "why" in found else "same" if found["same"] else "part" if found.get("part") else "other"
            counts[Path(whole).name, kind, came] += 1
    rows = ["file".ljust(16) + "".join(kind.ljust(18) for kind in kinds)]
    for name in dict.fromkeys(name for name, _, _ in counts):
        cells = [
            " / ".join(f"{counts[name, kind, came]}" for came in ("why", "same", "part", "other")) for kind in kinds
        ]
        rows.append(name.ljust(16) + "".join(cell.ljust(18) for cell in cells))
    return "\n".join(rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        print(table(sys.stdin))
        sys.exit()
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
