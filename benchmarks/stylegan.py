"""How long a StyleGAN decoder takes for a picture, alone and in a batch, and whether it keeps memory.

The playground's painter (32 × 32), with weights drawn at random: speed does not depend on what they are. Single
pictures and batches take turns, so that whatever else the machine does falls on both; each figure is the median of the
rounds.

    python benchmarks/stylegan.py
    python benchmarks/stylegan.py --resolution 128 --channels 4096 --json
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

CONDITION_DIM = 256
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> float:
    """The process's memory in MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def measure(resolution: int, channels: int, batch: int, rounds: int, generations: int) -> dict[str, Any]:
    torch.manual_seed(0)
    options = {"resolution": resolution, "channels": channels, "rows": 32, "hidden": 624}
    decoder = StyleGANDecoder(CONDITION_DIM, device="cpu", **options).eval()
    conditions = torch.nn.functional.normalize(torch.randn(batch, CONDITION_DIM), dim=-1)
    generator = torch.Generator().manual_seed(0)

    def seconds(count: int) -> float:
        started = time.perf_counter()
        pictures = decoder.generate(conditions[:count], generator=generator)
        spent = time.perf_counter() - started
        if len(pictures) != count or pictures[0].shape != (resolution, resolution, 3):
            raise SystemExit("not what was asked for was drawn: nothing was measured")
        return spent / count

    for count in (1, batch) * 3:  # the first calls pay for memory
        seconds(count)
    times: dict[int, list[float]] = {1: [], batch: []}
    for _ in range(rounds):
        times[1].append(median(seconds(1) for _ in range(9)))
        times[batch].append(seconds(batch))
    one, many = (1000 * median(times[count]) for count in (1, batch))
    before = resident()
    for _ in range(generations):
        seconds(1)
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1024, help="a layer of r × r has channels // r of them")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--generations", type=int, default=1000, help="of one picture each, for the memory")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.resolution, arguments.channels, arguments.batch, arguments.rounds, arguments.generations)
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
