"""Drawing in batches against one picture at a time, with the playground's small diffusion decoder.

The network has the size of the shipped painter and random weights: speed does not depend on what they say. The two take
turns, so that whatever else the machine does falls on both; each figure is the median of the rounds.

    python benchmarks/diffusion.py
    python benchmarks/diffusion.py --json
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

CONDITION_DIM = 256
SHIPPED = {"rows": 64, "hidden": 624}  # what its recipe sets beside the defaults


def milliseconds(decoder: DiffusionDecoder, batch: int, options: dict[str, Any]) -> float:
    """Of one picture, when `batch` are drawn at once."""
    conditions = torch.randn(batch, CONDITION_DIM) / CONDITION_DIM**0.5
    started = time.perf_counter()
    decoder.generate(conditions, options, generator=torch.Generator().manual_seed(0))
    return 1000 * (time.perf_counter() - started) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="by default the decoder's own")
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    torch.manual_seed(0)
    decoder = DiffusionDecoder(CONDITION_DIM, device="cpu", **SHIPPED)
    decoder.prepare([])
    options = {"steps": words.steps} if words.steps else {}
    milliseconds(decoder, 1, options)
    rounds = [
        (milliseconds(decoder, 1, options), milliseconds(decoder, words.batch, options)) for _ in range(words.rounds)
    ]
    alone, together = (median(column) for column in zip(*rounds, strict=True))
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
