"""Measure the time of `measure_geometry` against plain numpy, its memory as pairs grow, and how many rows it needs.

    python benchmarks/geometry.py [--pairs 5000] [--stream 100000]

Plain numpy holds all pairs and loops over the groups, as a script does. The memory is measured on a stream of a tenth
of `--stream` pairs and on the whole stream, each in a process of its own. Gaussian rows of known covariances show
how many rows an effective dimension needs.
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

from c3core.runtime import progress_bar
from c3core.statistics import measure_geometry
from c3core.statistics.spectrum import effective_dimension, singular_values

GROUP = 100


def batches(pairs: int, dim: int, side: int) -> Iterator[Tensor]:
    """Yield batches of unit embeddings of one side. Side 0 is side 1 with a gap and noise."""
    for start in range(0, pairs, 5000):
        generator = torch.Generator().manual_seed(start)
        y = torch.randn(min(5000, pairs - start), dim, generator=generator)
        noise = 0.8 * torch.randn(y.shape, generator=generator)
        x = y + noise
        x[:, 0] += dim**0.5
        yield normalize(y if side else x, dim=-1)


def plain(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Compute the five statistics with numpy."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--stream", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--only-memory-of", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.only_memory_of:
        stream(arguments.only_memory_of, arguments.dim)
        return
    sizes = (arguments.stream // 10, arguments.stream)
    with progress_bar("measuring", total=3 + len(sizes)) as bar:
        x, y = (torch.cat(list(batches(arguments.pairs, arguments.dim, side))) for side in (0, 1))
        ours = seconds(lambda: measure_geometry(x, y))
        bar.advance()
        numpy = seconds(lambda: plain(x.numpy(), y.numpy()))
        bar.advance()
        print(f"{arguments.pairs} pairs: {ours:.2f} s, with covariances and spectra")
        print(f"numpy, the five statistics only: {numpy:.2f} s, ratio {ours / numpy:.2f}", flush=True)
        effective_dimensions(arguments.dim)
        bar.advance()
        for pairs in sizes:
            command = [sys.executable, __file__, "--only-memory-of", str(pairs), "--dim", str(arguments.dim)]
            subprocess.run(command, check=True)
            bar.advance()


def effective_dimensions(dim: int) -> None:
    """Print the effective dimension of few rows over the true one, for several spectra."""
    rank = torch.arange(1, dim + 1, dtype=torch.float64)
    spectra = {f"rank^-{power}": rank**-power for power in (0.0, 0.5, 1.0, 1.5, 2.0)}
    spectra |= {f"exp(-rank/{scale})": (-rank / scale).exp() for scale in (dim // 50, dim // 10)}
    for name, spectrum in spectra.items():
        true, shares = effective_dimension(spectrum), []
        for each in (1, 2, 5, 10, 20):
            generator = torch.Generator().manual_seed(0)
            rows = torch.randn(each * true, dim, generator=generator, dtype=torch.float64) * spectrum.sqrt()
            shares.append(effective_dimension(singular_values(torch.cov(rows.T))) / true)
        shown = ", ".join(f"{share:.2f}" for share in shares)
        print(f"effective dimension of {name}: {true}; of it from 1, 2, 5, 10, 20 rows for each: {shown}", flush=True)


def stream(pairs: int, dim: int) -> None:
    """Measure a stream of pairs, and print its time and the peak memory of this process."""
    started = time.process_time()
    found = measure_geometry(batches(pairs, dim, 0), batches(pairs, dim, 1))
    measuring, started = time.process_time() - started, time.process_time()
    for _ in zip(batches(pairs, dim, 0), batches(pairs, dim, 1), strict=True):
        continue
    making = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = f"{measuring:.1f} s ({making:.1f} s of them to make the pairs)"
    print(f"{pairs:>9} pairs streamed in {times}, {found.groups} groups: peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
