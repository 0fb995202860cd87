"""Time pictures drawn in a batch against one picture at a time, with a StyleGAN decoder, and watch its memory.

    python benchmarks/stylegan.py
    python benchmarks/stylegan.py --resolution 128 --channels 4096 --json
    python benchmarks/stylegan.py --lafite lafite.safetensors --batch 4 --rounds 3 --generations 20

The network has the size of the playground's painter (32 × 32) and random weights, or it is LAFITE's. Batches and single
pictures take turns, so that other work on the machine slows both; each figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from c3_stylegan.decoder import StyleGANDecoder
from c3_stylegan.gan import GANDecoder
from c3_stylegan.lafite.decoder import LafiteDecoder
from c3_stylegan.lafite.weights import read_shape
from c3core.runtime import progress_bar

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> float:
    """Return the memory of this process in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def own_decoder(resolution: int, channels: int) -> GANDecoder:
    options = {"resolution": resolution, "channels": channels, "rows": 32, "hidden": 624}
    return StyleGANDecoder(256, device="cpu", **options)


def measure(decoder: GANDecoder, batch: int, rounds: int, generations: int) -> dict[str, Any]:
    torch.manual_seed(0)
    decoder.prepare([])
    resolution = decoder.resolution
    conditions = torch.nn.functional.normalize(torch.randn(batch, decoder.condition_dim), dim=-1)
    generator = torch.Generator().manual_seed(0)

    def seconds(count: int) -> float:
        started = time.perf_counter()
        pictures = decoder.generate(conditions[:count], generator=generator)
        spent = time.perf_counter() - started
        if len(pictures) != count or pictures[0].shape != (resolution, resolution, 3):
            raise SystemExit("the decoder drew other pictures than asked for, so nothing was measured")
        return spent / count

    for count in (1, batch) * 3:  # the first calls are slower
        seconds(count)
    times: dict[int, list[float]] = {1: [], batch: []}
    with progress_bar("drawing", total=rounds) as bar:
        for _ in range(rounds):
            times[1].append(median(seconds(1) for _ in range(9)))
            times[batch].append(seconds(batch))
            bar.advance()
    one, many = (1000 * median(times[count]) for count in (1, batch))
    before = resident()
    with progress_bar("drawing more, for the memory", total=generations) as bar:
        for _ in range(generations):
            seconds(1)
            bar.advance()
    return {
        "resolution": resolution,
        "batch": batch,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "milliseconds_a_picture_alone": round(one, 2),
        "milliseconds_a_picture_in_the_batch": round(many, 2),
        "ratio": round(many / one, 3),
        "generations": generations,
        "memory_grown_mb": round(resident() - before, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1024, help="a layer of r × r pixels has channels // r channels")
    parser.add_argument("--lafite", type=Path, help="LAFITE's converted weights, to time its network instead")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--generations", type=int, default=1000, help="single pictures, to watch the memory")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.lafite is None:
        decoder = own_decoder(arguments.resolution, arguments.channels)
    else:
        dim = read_shape(arguments.lafite).condition
        decoder = LafiteDecoder(dim, model=str(arguments.lafite), device="cpu")
    result = measure(decoder, arguments.batch, arguments.rounds, arguments.generations)
    if arguments.json:
        print(json.dumps(result))
        return
    side, alone, batch = (
        result["resolution"],
        result["milliseconds_a_picture_alone"],
        result["milliseconds_a_picture_in_the_batch"],
    )
    print(f"pictures of {side} × {side}, {result['threads']} threads")
    print(f"one at a time       {alone:8.2f} ms a picture")
    print(f"in batches of {result['batch']:<4}  {batch:8.2f} ms a picture: {result['ratio']:.2f} of that")
    print(f"memory after {result['generations']} more generations: {result['memory_grown_mb']:+.1f} MB")


if __name__ == "__main__":
    main()
