"""Table 1 of paired embeddings: time against plain numpy over the same groups, and memory as the stream grows.

    python benchmarks/geometry.py [--pairs 5000] [--stream 100000]

Plain numpy holds every pair and loops over the groups, as a script would. For memory the same measurement is streamed
at a tenth and at the whole of `--stream` pairs, each in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.statistics import measure_geometry

GROUP = 100


def batches(pairs: int, dim: int, side: int) -> Iterator[Tensor]:
    """Batches of unit embeddings of a side, made from a seed: 0 is the other side with a gap and noise."""
    for start in range(0, pairs, 5000):
        generator = torch.Generator().manual_seed(start)
        y = torch.randn(min(5000, pairs - start), dim, generator=generator)
        noise = 0.8 * torch.randn(y.shape, generator=generator)
        x = y + noise
        x[:, 0] += dim**0.5
        yield normalize(y if side else x, dim=-1)


def plain(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The five statistics by numpy."""
    gaps, spans, noises, means = [], [], [], []
    upper = np.triu_indices(GROUP, 1)
    for start in range(0, len(x) - GROUP + 1, GROUP):
        a, b = x[start : start + GROUP].astype(np.float64), y[start : start + GROUP].astype(np.float64)
        d = a - b
        gap = d.mean(0)
        gaps.append(gap)
        r = a[upper[0]] - a[upper[1]]
        spans.append(r @ gap / np.linalg.norm(r, axis=1) / np.linalg.norm(gap))
        noise = d - gap
        means.append(noise.mean(0))
        unit = noise / np.linalg.norm(noise, axis=1, keepdims=True)
        noises.append((unit @ unit.T)[upper])
    unit = np.stack(gaps) / np.linalg.norm(gaps, axis=1, keepdims=True)
    return {
        "gap_length": float(np.linalg.norm(gaps, axis=1).mean()),
        "gap_direction": float((unit @ unit.T)[np.triu_indices(len(unit), 1)].mean()),
        "gap_span": float(np.concatenate(spans).std()),
        "noise_mean": float(np.mean(means)),
        "noise_cosine": float(np.concatenate(noises).std()),
    }


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--stream", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--only-memory-of", type=int, default=0, help="used by the script itself")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if pairs := arguments.only_memory_of:
        started = time.monotonic()
        found = measure_geometry(batches(pairs, arguments.dim, 0), batches(pairs, arguments.dim, 1))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        took, started = time.monotonic() - started, time.monotonic()
        for _ in zip(batches(pairs, arguments.dim, 0), batches(pairs, arguments.dim, 1), strict=True):
            continue
        making = time.monotonic() - started
        print(
            f"{pairs:>9} pairs streamed in {took:.1f} s ({making:.1f} s to make them), {found.groups} groups: peak"
            f" {peak:.0f} MB"
        )
        return
    x, y = (torch.cat(list(batches(arguments.pairs, arguments.dim, side))) for side in (0, 1))
    ours, numpy = seconds(lambda: measure_geometry(x, y)), seconds(lambda: plain(x.numpy(), y.numpy()))
    print(
        f"{arguments.pairs} pairs: {ours:.2f} s with covariances and spectra; the five statistics by numpy"
        f" {numpy:.2f} s;"
    )
    print(f"ratio {ours / numpy:.2f}")
    for pairs in (arguments.stream // 10, arguments.stream):
        subprocess.run(
            [sys.executable, __file__, "--only-memory-of", str(pairs), "--dim", str(arguments.dim)], check=True
        )


if __name__ == "__main__":
    main()
