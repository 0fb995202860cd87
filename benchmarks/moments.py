"""Time the one pass of `Moments` against numpy's two passes in float64 over the same rows, on one thread.

    python benchmarks/moments.py [--rows 200000] [--dim 512]

The ratio is above 1 if `Moments` is slower. It holds 512 rows in float64 at a time, while numpy needs all rows at once.
Processor time is counted, so that other work on the machine matters little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from c3core.runtime import progress_bar
from c3core.statistics import Moments


def seconds(work: Callable[[], object], repeat: int = 3) -> float:
    """Return the shortest time of several runs."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    sides = {
        "mean": (streaming("mean"), lambda: array.mean(0, dtype=np.float64)),
        "variance": (streaming("variance"), lambda: array.var(0, dtype=np.float64)),
        "covariance": (streaming("covariance"), two_pass_covariance),
        "sample": (streaming("sample"), lambda: array[np.random.default_rng(0).permutation(len(array))[:10_000]]),
    }
    with progress_bar("measuring", total=len(sides)) as bar:
        for name, (ours, plain) in sides.items():
            once, twice = seconds(ours), seconds(plain)
            print(f"{name:<11}{once:7.3f} s   numpy {twice:7.3f} s   ratio {once / twice:5.2f}")
            bar.advance()


if __name__ == "__main__":
    main()
