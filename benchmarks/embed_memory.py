"""Measure the memory of `embed` as the number of inputs grows, against a plain loop that keeps everything in memory.

    python benchmarks/embed_memory.py [100000 1000000]
    python benchmarks/embed_memory.py --folder [100000 1000000]     # files of one folder, not lines of a list
    python benchmarks/embed_memory.py --bad [100000 1000000]        # nine of ten inputs cannot be read

Both sides read the inputs in batches, and embed them with an encoder that costs next to nothing. `embed` writes a
store; the plain loop keeps the names and the embeddings, and writes one safetensors file. Each runs in a process of its
own. The figure is the growth of its memory: the peak minus the memory before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from c3core.runtime import progress_bar

LINKS = 50_000  # names of one file: ext4 allows 65,000
BATCH = 1024
DIM = 16


def write_lines(path: Path, lines: int) -> None:
    with open(path, "w", encoding="utf-8") as handle:
        handle.writelines(f"a photo of {i} red cubes beside {i % 97} blue balls\n" for i in range(lines))


def write_files(folder: Path, files: int) -> None:
    """Make a folder with many names for few files."""
    folder.mkdir()
    for start in range(0, files, LINKS):
        paths = [folder / f"{number * 7_919 % files:08}.jpg" for number in range(start, min(start + LINKS, files))]
        paths[0].touch()
        for path in paths[1:]:
            os.link(paths[0], path)


def memory() -> int:
    """Return the memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20


def measure(side: str, inputs: int, *, of_folder: bool, bad: bool) -> dict[str, Any]:
    """Embed the inputs in this process. Return how its memory grew, and the time."""
    import torch
    from safetensors.torch import save_file

    from c3core.contracts import Encoder, Reader
    from c3core.data import Items, Source, load_items
    from c3core.embedding import embed

    torch.set_num_threads(1)

    class Names(Reader):
        def read(self, source: Any) -> str:
            if bad and crc32(str(source).encode()) % 10:
                raise ValueError("the file is empty")
            return str(source)

    class Table(Encoder):
        space, modality, dim, fingerprint = "table", "text", DIM, "table"
        rows = torch.randn(4096, DIM, generator=torch.Generator().manual_seed(0))

        def reader(self) -> Reader:
            return Names()

        def embed(self, items: Sequence[str]) -> torch.Tensor:
            return self.rows[[crc32(item.encode()) % 4096 for item in items]]

    at_tenths: list[int] = []

    def watched(stream: Iterator[Source]) -> Iterator[Source]:
        for number, source in enumerate(stream):
            if number % max(inputs // 10, 1) == 0:
                at_tenths.append(memory())
            yield source

    def plain(named: Path, out: Path) -> None:
        names = sorted(os.listdir(named)) if of_folder else named.read_text(encoding="utf-8").splitlines()
        reader, encoder, kept, embeddings, reasons = Names(), Table(), list[str](), list[torch.Tensor](), list[str]()
        with progress_bar(f"plain loop, {inputs:,} inputs", total=inputs) as bar:
            for start in range(0, inputs, BATCH):
                items = []
                for name in names[start : start + BATCH]:
                    try:
                        items.append(reader.read(name))
                    except ValueError as error:
                        reasons.append(f"{name}: {error}")
                kept += items
                embeddings.append(torch.nn.functional.normalize(encoder.embed(items), dim=-1))
                bar.advance(len(names[start : start + BATCH]))
        save_file({"embeddings": torch.cat(embeddings)}, out)

    with tempfile.TemporaryDirectory() as folder:
        named, out = Path(folder) / ("files" if of_folder else "lines.txt"), Path(folder) / "out"
        (write_files if of_folder else write_lines)(named, inputs)
        before, started = memory(), time.monotonic()
        if side == "plain":
            plain(named, out)
        else:
            items = load_items(named, "image" if of_folder else "text")
            assert isinstance(items, Items)
            store = embed(Table(), watched(items.named()), out, batch_size=BATCH, total=inputs)
            assert len(store) + store.bad == inputs
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10  # before the folder is listed to remove it
    return {"growth_mb": max(peak - before, 1), "at_tenths_mb": at_tenths, "seconds": round(seconds, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="*", type=int, default=[100_000, 1_000_000], help="numbers of inputs")
    parser.add_argument("--folder", action="store_true", help="embed the files of one folder")
    parser.add_argument("--bad", action="store_true", help="let nine of ten inputs be unreadable")
    parser.add_argument("--side", choices=["embed", "plain"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        (inputs,) = arguments.inputs
        print(json.dumps(measure(arguments.side, inputs, of_folder=arguments.folder, bad=arguments.bad)))
        return
    for inputs in arguments.inputs:
        found = {}
        for side in ("embed", "plain"):
            options = [word for word in sys.argv[1:] if word.startswith("--")]
            command = [sys.executable, __file__, str(inputs), *options, "--side", side]
            found[side] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        ratio = {"ratio": round(found["embed"]["growth_mb"] / found["plain"]["growth_mb"], 2)}
        print(json.dumps({"inputs": inputs, **found, **ratio}), flush=True)


if __name__ == "__main__":
    main()
