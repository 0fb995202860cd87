"""Time pictures drawn in a batch against one picture at a time, with a diffusion decoder.

    python benchmarks/diffusion.py
    python benchmarks/diffusion.py --json

The network has the size of the playground's painter and random weights. Batches and single pictures take turns, so that
other work on the machine slows both; each figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median
from typing import Any

import torch

from c3_diffusion.decoder import DiffusionDecoder
from c3_diffusion.settings import GUIDANCE
from c3core.runtime import progress_bar

CONDITION_DIM = 256
SHIPPED: dict[str, Any] = {"rows": 64, "hidden": 624}  # options of the playground's painter that are not defaults


def milliseconds(decoder: DiffusionDecoder, batch: int, options: dict[str, Any]) -> float:
    """Draw `batch` pictures at once, and return the time of one."""
    conditions = torch.randn(batch, CONDITION_DIM) / CONDITION_DIM**0.5
    started = time.perf_counter()
    decoder.generate(conditions, options, generator=torch.Generator().manual_seed(0))
    return 1000 * (time.perf_counter() - started) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="denoising steps (default: the decoder's)")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    torch.manual_seed(0)
    decoder = DiffusionDecoder(CONDITION_DIM, device="cpu", **SHIPPED)
    decoder.prepare([])
    options = {"steps": words.steps} if words.steps else {}
    milliseconds(decoder, 1, options)  # the first picture is slower
    times: dict[int, list[float]] = {1: [], words.batch: []}
    with progress_bar("drawing", total=words.rounds) as bar:
        for _ in range(words.rounds):
            for batch, measured in times.items():
                measured.append(milliseconds(decoder, batch, options))
            bar.advance()
    alone, together = map(median, times.values())
    drawn = decoder.check_options(options)
    result = {
        "size": decoder.settings.size,
        "steps": drawn.steps,
        "guidance": GUIDANCE,
        "guidance_until": drawn.guidance_until,
        "threads": words.threads,
        "ms_alone": round(alone, 1),
        "batch": words.batch,
        "ms_in_batch": round(together, 1),
        "ratio": round(alone / together, 2),
    }
    if words.json:
        print(json.dumps(result))
        return
    print(f"{result['size']} × {result['size']} pixels, {drawn.steps} steps, {words.threads} threads")
    print(f"guidance {GUIDANCE:g} until the noise level {drawn.guidance_until:g}")
    print(f"one at a time   {alone:8.1f} ms a picture")
    print(f"{words.batch:>3} at once     {together:8.1f} ms a picture   {alone / together:.1f} times as fast")


if __name__ == "__main__":
    main()
