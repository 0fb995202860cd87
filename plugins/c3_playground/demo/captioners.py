"""Train and score a captioner for each method and modality, in processes of their own."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from c3_playground.methods import METHODS
from c3_playground.world import World, accuracy
from c3core import Pipeline, load_bridge, load_decoder, load_space
from c3core.registry import entry
from c3core.store import Store

MODALITIES = ("image", "video", "audio")
NOISE = 0.045  # per dimension: near the alignment noise of this space, which the demo measures and prints
DECODER: dict[str, Any] = {
    "model": "fresh",
    "layers": 2,
    "heads": 4,
    "width": 128,
    "vocabulary": 1500,
    "mapping": "mlp",
    "prefix_length": 4,
}


@dataclass(frozen=True)
class Plan:
    """How much the demo does."""

    modalities: tuple[str, ...] = ("image",)
    sentences: int = 6_000  # to learn from, about each modality
    unlabelled: int = 1_000  # items of each modality, of which only the mean is used
    tested: int = 300  # unseen items of each modality
    shown: int = 48  # of them on the page
    steps: int = 260
    batch_size: int = 128

    def training(self, seed: int) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "learning_rate": 5e-3,
            "warmup_steps": 20,
            "precision": "bfloat16",
            "eval_steps": self.steps,
            "save_steps": self.steps,
            "seed": seed,
        }


@dataclass(frozen=True)
class Captioned:
    """The row of the table and all captions of one method and modality."""

    row: dict[str, Any]
    captions: list[str]


def train_captioners(folder: Path, seed: int, plan: Plan) -> Iterator[Captioned]:
    """The results of each method and modality, in the order that they are ready. A small model uses one core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, 4)
    context = get_context("forkserver" if os.name == "posix" else "spawn")
    # With the default handler Ctrl-C ends a worker. Otherwise the pool would go on with the next captioner.
    with ProcessPoolExecutor(
        workers, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_DFL)
    ) as pool:
        jobs = [
            pool.submit(_train_one, method, modality, folder, seed, plan, threads=cores // workers)
            for method in METHODS
            for modality in plan.modalities
        ]
        for job in as_completed(jobs):
            yield job.result()


def _train_one(method: str, modality: str, folder: Path, seed: int, plan: Plan, *, threads: int) -> Captioned:
    """Train on sentences about one modality, caption its unseen items, and score the captions."""
    import torch

    torch.set_num_threads(threads)
    space, items = load_space("playground"), World().items(modality, "test", plan.tested)
    bridge = load_bridge(method, **({"noise_std": NOISE} if method in ("c2_2", "c3") else {}))
    pipeline = Pipeline(space, bridge, load_decoder("gpt2", space=space, **DECODER))
    uni_modal = {"text": Store.open(folder / f"{modality}_text"), modality: Store.open(folder / modality)}
    with warnings.catch_warnings():  # each captioner is for one modality, by design
        warnings.filterwarnings("ignore", message="the pipeline will not take")
        pipeline.fit(uni_modal, training=plan.training(seed), quiet=True)
    captions = pipeline.run(
        Store.open(folder / f"test_{modality}"), modality=modality, generation={"max_new_tokens": 40}
    )
    references = [item.sentences for item in items]
    cider, bleu = (entry("metric", name).load()([], captions, references)[name] for name in ("cider", "bleu4"))
    right = sum(accuracy(caption, item.scene) for caption, item in zip(captions, items, strict=True)) / len(items)
    row = {"method": method, "modality": modality, "cider": cider, "bleu4": bleu}
    return Captioned({**row, "factor_accuracy": 100 * right}, captions)
