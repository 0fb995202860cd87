"""Time a training step with the attention that the training loop chooses against torch's choice, on the processor.

    python benchmarks/training.py [--steps 12]

A small GPT-2 learns captions from batches of 128 sentences, in bfloat16 if the processor can. The two take turns, so
that other work on the machine slows both; each figure is the median.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch

from c3_gpt2.decoder import CaptionDecoder
from c3_playground.world import World
from c3core.runtime import compute_dtype, progress_bar
from c3core.training import TrainingOptions, TrainingTask, trainer

BATCH = 128


def run_of(decoder: CaptionDecoder, sentences: list[str], folder: str) -> trainer.Trainer:
    """Return a training loop that repeats one batch."""
    conditions, batch = torch.randn(BATCH, decoder.condition_dim), decoder.collate(sentences[:BATCH])
    task = TrainingTask(
        decoder, decoder.objectives(), lambda epoch: iter([None]), lambda rows, generator: (conditions, batch), 1
    )
    return trainer.Trainer(task, TrainingOptions(precision="bfloat16", warmup_steps=1), Path(folder), {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    steps = parser.parse_args().steps
    sentences = World().sentences(2000)
    decoder = CaptionDecoder(128, model="fresh", layers=3, heads=4, width=256, vocabulary=1500, mapping="mlp")
    decoder.prepare(sentences)
    choices: dict[str, AbstractContextManager[Any]] = {"the loop's choice": nullcontext()}
    with tempfile.TemporaryDirectory() as folder:
        run = run_of(decoder, sentences, folder)
        choices["torch's choice"] = patch.object(trainer, "attention", lambda device: nullcontext())
        seconds: dict[str, list[float]] = {name: [] for name in choices}
        with progress_bar("training", total=steps + 1) as bar:
            for _ in range(steps + 1):
                for name, choice in choices.items():
                    started = time.perf_counter()
                    with choice:
                        run.train_step(None)
                    seconds[name].append(time.perf_counter() - started)
                bar.advance()
    ours, plain = (median(times[1:]) for times in seconds.values())  # the first step is slower
    taken = f"{1000 * ours:.0f} ms, with torch's choice {1000 * plain:.0f} ms"
    precision = str(compute_dtype("bfloat16", run.device)).removeprefix("torch.")
    print(f"a step in {precision} takes {taken}: {plain / ours:.2f} x as fast")


if __name__ == "__main__":
    main()
