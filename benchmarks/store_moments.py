"""Time a store's moments, batches and shuffled batches against plain pyarrow reading the same files, on one thread.

python benchmarks/store_moments.py [--rows 200000] [--dim 512]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import torch

from c3core.runtime import progress_bar
from c3core.store import EncoderInfo, Store, StoreBatch, StoreWriter


def write(folder: Path, rows: int, dim: int) -> Store:
    """Write a store of random embeddings."""
    generator = torch.Generator().manual_seed(0)
    writer = StoreWriter(folder, EncoderInfo("benchmark", "text", dim, "benchmark"))
    with progress_bar("writing rows", total=rows) as bar:
        for start in range(0, rows, 8192):
            raw = torch.randn(min(8192, rows - start), dim, generator=generator) + 1
            norms = raw.norm(dim=-1)
            ids = [str(start + i) for i in range(len(raw))]
            writer.append(StoreBatch(ids, ids, raw / norms[:, None], norms))
            bar.advance(len(raw))
    writer.finish()
    return Store.open(folder)


def read_with_pyarrow(store: Store) -> None:
    """Decode the column of embeddings, which every pass over a store has to do."""
    for path in sorted(store.folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches(4096, columns=["embedding"]):
                continue


def best(work: Callable[[], object], times: int = 3) -> float:
    """Return the shortest time of several runs, in seconds."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        store = write(Path(folder) / "store", arguments.rows, arguments.dim)
        passes: dict[str, Callable[[], object]] = {
            "pyarrow": lambda: read_with_pyarrow(store),
            "batches": lambda: [None for _ in store.batches(columns=("embedding",))],
            "moments": lambda: store.moments(("mean", "variance")),
            "covariance": lambda: store.moments(("mean", "covariance")),
            "shuffled": lambda: [None for _ in store.shuffled(64, seed=0, epoch=0)],
        }
        seconds = {}
        with progress_bar("reading", total=len(passes)) as bar:
            for name, work in passes.items():
                seconds[name] = best(work)
                bar.advance()
    figures = {"rows": arguments.rows, "dim": arguments.dim, "pyarrow_s": round(seconds["pyarrow"], 3)}
    ratios = {f"{name}_ratio": round(seconds[name] / seconds["pyarrow"], 3) for name in passes if name != "pyarrow"}
    print(json.dumps(figures | ratios))


if __name__ == "__main__":
    main()
