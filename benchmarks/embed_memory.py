"""Resident memory of `embed` over a list of lines, or over the files of one folder: it must not grow with their number.

    python benchmarks/embed_memory.py 1000000 10000000
    python benchmarks/embed_memory.py --folder 1000000 10000000
    python benchmarks/embed_memory.py --bad 1000000 10000000     # nine of ten lines cannot be read

Each size runs in a process of its own, with an encoder that costs next to nothing, so that what is measured is the way
from the list to the store: expanding, reading, batching, shards, the manifest.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

LINKS = 50_000  # ext4 takes 65,000
SENTENCE = "a photo of {} red cubes beside {} blue balls\n"


def write_lines(path: Path, lines: int) -> None:
    numbers = iter(range(lines))
    with open(path, "w", encoding="utf-8") as handle:
        while piece := list(islice(numbers, 100_000)):
            handle.writelines(SENTENCE.format(i, i % 97) for i in piece)


def write_files(folder: Path, files: int) -> None:
    """That many names in one folder, of few files: `LINKS` names each."""
    folder.mkdir()
    for start in range(0, files, LINKS):
        paths = [folder / f"{number * 7_919 % files:08}.jpg" for number in range(start, min(start + LINKS, files))]
        paths[0].touch()
        for path in paths[1:]:
            os.link(paths[0], path)


def resident() -> int:
    """Megabytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


def measure(lines: int, folder_of_files: bool, bad: bool) -> dict[str, Any]:
    """Embed that many lines in this process: memory at each tenth, the peak, and the time."""
    import torch

    from c3core.contracts import Encoder, Reader
    from c3core.data import Source, expand
    from c3core.embedding import embed

    torch.set_num_threads(1)

    class Sentences(Reader):
        def read(self, source: Any) -> str:
            if bad and crc32(str(source).encode()) % 10:
                raise ValueError("the file is empty")
            return str(source)

    class Table(Encoder):
        space, modality, dim, fingerprint = "table", "text", 16, "table"
        rows = torch.randn(4096, 16, generator=torch.Generator().manual_seed(0))

        def reader(self) -> Reader:
            return Sentences()

        def embed(self, items: Sequence[str]) -> torch.Tensor:
            return self.rows[[crc32(item.encode()) % 4096 for item in items]]

    held: list[int] = []

    def watched(stream: Iterator[Source]) -> Iterator[Source]:
        for number, source in enumerate(stream):
            if number % max(lines // 10, 1) == 0:
                held.append(resident())
                print(f"{number:,} of {lines:,} inputs: {held[-1]} MB", file=sys.stderr, flush=True)
            yield source

    with tempfile.TemporaryDirectory() as folder:
        named = f"{folder}/files" if folder_of_files else f"{folder}/lines.txt"
        (write_files if folder_of_files else write_lines)(Path(named), lines)
        before, started = resident(), time.monotonic()
        stream = watched(expand([named], text=not folder_of_files))
        store = embed(Table(), stream, f"{folder}/store", batch_size=1024, quiet=True)
        seconds = time.monotonic() - started
        assert len(store) + store.bad == lines
        count = sum(1 for _ in store.errors())
        written = sum(path.stat().st_size for path in store.folder.iterdir()) >> 20
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # before the folder is removed, which lists it
    figures = {"inputs": lines, "bad": count, "before_mb": before, "at_tenths_mb": held, "peak_mb": peak}
    return {**figures, "seconds": round(seconds, 1), "inputs_per_second": round(lines / seconds), "store_mb": written}


if __name__ == "__main__":
    words = sys.argv[1:]
    options = [word for word in words if word in ("--folder", "--bad")]
    sizes = [int(word) for word in words if word not in options] or [1_000_000, 10_000_000]
    if len(sizes) == 1:
        print(json.dumps(measure(sizes[0], "--folder" in options, "--bad" in options)))
    else:
        for size in sizes:
            subprocess.run([sys.executable, __file__, *options, str(size)], check=True)
