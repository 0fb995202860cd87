"""Moments against numpy's two passes in float64 over the same rows, as ratios of one run on one thread.

    python benchmarks/moments.py [--rows 200000] [--dim 512]

Above 1 the streaming pass is slower; it takes the rows as they come and holds 512 of them in float64 at a time, where
numpy needs all rows at once (its sample is one look-up). Processor time is counted: other work disturbs it little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from c3core.statistics import Moments


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """The shortest of some runs."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4096)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = torch.randn(arguments.rows, arguments.dim)
    batches, array = torch.split(rows, arguments.batch), rows.numpy()

    def streaming(*needs: str) -> Callable[[], object]:
        return lambda: Moments.of(iter(batches), needs, sample_size=10_000)

    def two_pass_covariance() -> object:
        centred = array.astype(np.float64)
        centred -= centred.mean(0)
        return centred.T @ centred / len(centred)

    read = seconds(lambda: rows.sum())
    print(f"{arguments.rows} × {arguments.dim} in batches of {arguments.batch}; a plain sum takes {read:.3f} s")
    for name, ours, plain in [
        ("mean", streaming("mean"), lambda: array.mean(0, dtype=np.float64)),
        ("variance", streaming("variance"), lambda: array.var(0, dtype=np.float64)),
        ("covariance", streaming("covariance"), two_pass_covariance),
        ("sample", streaming("sample"), lambda: array[np.random.default_rng(0).permutation(len(array))[:10_000]]),
    ]:
        once, twice = seconds(ours), seconds(plain)
        print(f"{name:<11}{once:7.3f} s   numpy {twice:7.3f} s   ratio {once / twice:5.2f}")


if __name__ == "__main__":
    main()
