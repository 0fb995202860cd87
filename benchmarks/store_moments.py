"""A store's mean, variance and covariance, as ratios to plain pyarrow reading the same files, in one run.

python benchmarks/store_moments.py [rows] [dim]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import torch

from c3core.store import Store, StoreBatch, StoreWriter


def write(folder: Path, rows: int, dim: int) -> Store:
    generator = torch.Generator().manual_seed(0)
    writer = StoreWriter(folder, space="benchmark", modality="text", dim=dim, fingerprint="benchmark")
    for start in range(0, rows, 8192):
        raw = torch.randn(min(8192, rows - start), dim, generator=generator) + 1
        norms = raw.norm(dim=-1)
        ids = [str(start + i) for i in range(len(raw))]
        writer.append(StoreBatch(ids, ids, raw / norms[:, None], norms))
    writer.finish()
    return Store.open(folder)


def read_alone(store: Store) -> None:
    """What the pass cannot do without: pyarrow decoding the column of embeddings."""
    for path in sorted(store.folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for _ in file.iter_batches(4096, columns=["embedding"]):
                continue


def best(work: Callable[[], object], times: int = 3) -> float:
    """The shortest of some runs, in seconds: the others were disturbed."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


if __name__ == "__main__":
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    dim = int(sys.argv[2]) if len(sys.argv) > 2 else 512
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        store = write(Path(folder) / "store", rows, dim)
        plain = best(lambda: read_alone(store))
        ours = best(lambda: [None for _ in store.batches(columns=("embedding",))])
        moments = best(lambda: store.moments(("mean", "variance")))
        covariance = best(lambda: store.moments(("mean", "covariance")), times=1)
        shuffled = best(lambda: [None for _ in store.shuffled(64, seed=0, epoch=0)], times=1)
    figures = {"rows": rows, "dim": dim, "pyarrow_s": plain, "batches_s": ours, "moments_s": moments}
    ratios = {"moments_ratio": moments / plain, "covariance_ratio": covariance / plain}
    ratios |= {"batches_ratio": ours / plain, "shuffled_ratio": shuffled / plain}
    print(json.dumps({name: round(value, 3) for name, value in (figures | ratios).items()}))
