"""Read a corpus of whole and broken files in a process of its own, which a decoder that crashes may end.

`python -m tests.helpers.broken FOLDER` writes the corpus into FOLDER, reads each file with the reader of its medium, and
prints two JSON lines a file: the `case` before it is read, and the case with its outcome. A file that takes longer than
`LIMIT` seconds ends the process. A crash or a hang therefore leaves a case without an outcome.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from c3core.contracts import BadItem
from c3core.media import AudioReader, ImageReader, VideoReader
from tests.helpers.media_files import FRAMES, RATE, SIDES, index_of, write_media

LIMIT = 10  # s a file


class Case(NamedTuple):
    """A file to read as some medium."""

    medium: str
    kind: str  # "whole", "cut", "flipped", "renamed", "other medium", "noise" or "special"
    path: str
    whole: str  # the whole file that it was made of, or ""


def corpus(folder: Path) -> Iterator[Case]:
    """Write all cases into a folder, and yield each of them. A whole file comes before what is made of it."""
    draw = random.Random(0)
    media = write_media(folder)
    broken = folder / "broken"
    broken.mkdir()
    for medium, paths in media.items():
        for path in paths:
            yield Case(medium, "whole", str(path), str(path))
            content = path.read_bytes()
            for kind, name, data in changed(path, content, draw):
                target = broken / f"{medium}-{kind}-{name}"
                target.write_bytes(data)
                yield Case(medium, kind, str(target), str(path))
            for other in media:
                if other != medium and not (path.suffix == ".gif" and {other, medium} == {"image", "video"}):
                    yield Case(other, "other medium", str(path), str(path))
        for length in (1, 100, 10_000):
            noise = broken / f"{medium}-noise-{length}"
            noise.write_bytes(draw.randbytes(length))
            yield Case(medium, "noise", str(noise), "")
    for special in special_files(folder / "special"):
        for medium in media:
            yield Case(medium, "special", special, "")


def changed(path: Path, content: bytes, draw: random.Random) -> Iterator[tuple[str, str, bytes]]:
    """Yield the kind, the name and the content of files made of a whole one."""
    for tenth in range(1, 10):
        yield "cut", f"{path.stem}-{tenth}{path.suffix}", content[: len(content) * tenth // 10]
    for size in (1, 12, len(content) - 1):
        yield "cut", f"{path.stem}-{size}bytes{path.suffix}", content[:size]
    for power in range(8):
        flipped = bytearray(content)
        for _ in range(2**power):
            flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        yield "flipped", f"{path.stem}-{power}{path.suffix}", bytes(flipped)
    for suffix in (".jpg", ".wav", ".mp4", ".raw"):
        yield "renamed", f"{path.name}{suffix}", content


def special_files(folder: Path) -> list[str]:
    """Make what is no plain file with something in it, and return the paths."""
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
    """Read a case. Return `why` it was refused, or how its item compares with that of the whole file.

    `valid`: it has the dtype and the shape of the medium. `same`: it is equal. `part`: it is a part of it.
    """
    item = readers[case.medium](case.path)
    if isinstance(item, BadItem):
        return {"why": item.why}
    if case.medium == "image":
        pixels = np.asarray(item)
        valid = item.mode == "RGB" and pixels.ndim == 3
        return {"valid": valid, "same": np.array_equal(pixels, whole.get(case.whole, ()))}
    if case.medium == "audio":
        valid = item.dtype == np.float32 and item.ndim == 1 and bool(np.isfinite(item).all())
        reference = whole.get(case.whole)
        if reference is None or len(item) > len(reference):
            return {"valid": valid, "same": False, "part": False}
        # The last block of a lossy codec fades, because the next one is missing: compare all before it.
        count = max(len(item) - (2048 if case.whole.endswith(("ogg", "mp3")) else 0), 0)
        part = bool(np.abs(item[:count] - reference[:count]).max(initial=0) < 1e-4)
        return {"valid": valid, "same": np.array_equal(item, reference), "part": part}
    with readers["video"].open(case.path) as video:
        expected = [int((i + 0.5) * video.duration / len(item) * RATE + 1e-6) for i in range(len(item))]
        valid = item.dtype == np.uint8 and item.ndim == 4 and item.shape[-1] == 3
        part = item.shape[1:3] == SIDES and [index_of(pixels) for pixels in item] == expected
        same = part and abs(video.duration - FRAMES / RATE) < 0.05
        return {"valid": valid, "same": same, "part": part, "seconds": video.duration}


def main(folder: Path) -> None:
    """Read the corpus, and print the outcomes."""
    readers = {"image": ImageReader(), "audio": AudioReader(), "video": VideoReader(8)}
    whole: dict[str, Any] = {}
    for case in corpus(folder):
        if case.kind == "whole" and case.medium != "video":
            whole[case.path] = np.asarray(readers[case.medium].read(case.path))
        print(json.dumps({"case": case}), flush=True)
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        result = outcome(case, readers, whole)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps({"case": case, **result}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
