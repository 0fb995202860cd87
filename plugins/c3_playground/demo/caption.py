"""The main job, shown: a captioner trained on sentences alone captions pictures, videos and sounds.

It is trained once for each of C¹ (connect), C²₁ (+ collapse), C²₂ (+ corrupt) and C³ (both), as in the paper's Tables 2
and 4: for pictures, videos and sounds in turn, on sentences about things of that kind. The two means that collapse
subtracts must be of the same kind of things; otherwise what is special to sounds would be subtracted from sounds but
stay in the sentences.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from c3_playground.demo.page import Shown, write_page
from c3_playground.world import Item, World, accuracy
from c3core import Pipeline, Space, load_bridge, load_decoder, load_space
from c3core.data import Source
from c3core.embedding import embed
from c3core.io import working_folder, write_json
from c3core.metrics import caption_metrics
from c3core.runtime import progress_bar
from c3core.statistics import measure_geometry, plot_geometry
from c3core.store import Store

METHODS = {"c1": "C¹", "c2_1": "C²₁", "c2_2": "C²₂", "c3": "C³"}
MODALITIES = ("image", "video", "audio")
NOISE = 0.045  # per dimension: near this space's own alignment noise, which the demo measures and prints
DECODER = {
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

    sentences: int = 6_000  # to learn from, about each modality
    unlabelled: int = 1_000  # items of each modality, for its mean alone
    tested: int = 300  # unseen items of each modality
    shown: int = 6  # of them on the page
    steps: int = 260
    batch_size: int = 128

    def training(self, seed: int) -> dict[str, Any]:
        options = {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "learning_rate": 5e-3,
            "warmup_steps": 20,
            "precision": "bfloat16",
        }
        return {**options, "eval_steps": self.steps, "save_steps": self.steps, "seed": seed}


def demo(*, out: Path, seed: int = 0, plan: Plan = Plan()) -> None:
    """Train four captioners on sentences, caption unseen items, print the table, write `results.json` and
    `index.html`.
    """
    started, world, space = time.monotonic(), World(), load_space("playground")
    tested = {modality: world.items(modality, "test", plan.tested) for modality in MODALITIES}
    shown = Shown()
    say("Connect", "a space of text, image, video and audio comes with the package")
    with working_folder() as folder:
        stores = _stores(space, world, tested, folder, plan)
        _measure_geometry(space, stores, tested, out, shown)
        say("Train", f"on {plan.sentences:,} sentences about each modality: no picture, video or sound takes part")
        total = len(METHODS) * len(MODALITIES)
        with progress_bar(
            "captioners", total=total, quiet=not sys.stderr.isatty()
        ) as bar:  # a log has a line of each anyway
            for number, (row, captions) in enumerate(_captioners(folder, seed, plan), 1):
                shown.rows.append(row)
                shown.captions.setdefault(row["modality"], {})[row["method"]] = captions[: plan.shown]
                figures = f"CIDEr {row['cider']:5.1f}   {captions[0]}"
                say(METHODS[row["method"]], f"{number:2}/{total} {row['modality']:5} {figures}")
                bar.advance()
    shown.rows.sort(key=lambda row: (list(METHODS).index(row["method"]), MODALITIES.index(row["modality"])))
    seconds = time.monotonic() - started
    _print(tested, shown)
    write_json(
        out / "results.json",
        {"rows": shown.rows, "geometry": shown.geometry, "seed": seed, "seconds": round(seconds, 1), "noise_std": NOISE}
        | {"sentences": plan.sentences, "tested": plan.tested, "training": plan.training(seed), "decoder": DECODER},
    )
    write_page(out, tested, plan.shown, METHODS, shown)
    say("Done", f"in {seconds / 60:.1f} minutes. Open {out / 'index.html'}; the figures are in {out / 'results.json'}")


def _stores(space: Space, world: World, tested: dict[str, list[Item]], folder: Path, plan: Plan) -> dict[str, Store]:
    """Embeddings, made once: sentences to learn from, unlabelled items for the means, and the items to caption."""
    sources: dict[str, list[Any]] = {}
    for modality in MODALITIES:
        sources[f"{modality}_text"] = world.sentences(plan.sentences, modality=modality)
        sources[modality] = [item.data for item in world.items(modality, "train", plan.unlabelled)]
        sources[f"test_{modality}"] = [item.data for item in tested[modality]]
    stores = {}
    for name, items in sources.items():
        encoder = space.encoder(name.split("_")[-1])
        stream = (Source(str(k), item) for k, item in enumerate(items))
        stores[name] = embed(encoder, stream, folder / name, batch_size=256, quiet=True)
    return stores


def _measure_geometry(
    space: Space, stores: dict[str, Store], tested: dict[str, list[Item]], out: Path, shown: Shown
) -> None:
    """Gap and alignment noise of each modality against its sentences, as the paper's Table 1 has them."""
    for modality in MODALITIES:
        sentences = space.encode([item.sentences[0] for item in tested[modality]], "text", batch_size=256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = measure_geometry(stores[f"test_{modality}"].embeddings(), sentences, group_size=100)
        shown.geometry[modality] = found.to_dict()
        plot_geometry(found, out / "geometry" / modality)
        gap, noise = shown.geometry[modality]["gap_length"]["mean"], shown.geometry[modality]["noise_std"]
        say("", f"{modality:5} ↔ text: gap {gap:.2f}, alignment noise {noise:.3f} per dimension")


def _captioners(folder: Path, seed: int, plan: Plan) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """The row and the captions of each method and modality, as they get done. A small model keeps one core busy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(cores, 4)
    context = get_context("forkserver" if os.name == "posix" else "spawn")
    # Ctrl-C ends each of them, where a pool would take it for the result of one job and go on with the next.
    ends = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_DFL)}
    with ProcessPoolExecutor(workers, mp_context=context, **ends) as pool:
        jobs = [
            pool.submit(_one_captioner, method, modality, folder, seed, plan, threads=cores // workers)
            for method in METHODS
            for modality in MODALITIES
        ]
        for job in as_completed(jobs):
            yield job.result()


def _one_captioner(
    method: str, modality: str, folder: Path, seed: int, plan: Plan, *, threads: int
) -> tuple[dict[str, Any], list[str]]:
    """Train on sentences about one modality, caption its unseen items, and score the captions. Runs in a process of its
    own.
    """
    import torch

    torch.set_num_threads(threads)
    space, items = load_space("playground"), World().items(modality, "test", plan.tested)
    bridge = load_bridge(method, **({"noise_std": NOISE} if method in ("c2_2", "c3") else {}))
    pipeline = Pipeline(space, bridge, load_decoder("gpt2", space=space, **DECODER))
    uni_modal = {"text": Store.open(folder / f"{modality}_text"), modality: Store.open(folder / modality)}
    pipeline.fit(uni_modal, options=plan.training(seed), quiet=True)
    captions = pipeline.run(Store.open(folder / f"test_{modality}"), modality=modality, options={"max_new_tokens": 40})
    scores = caption_metrics(captions, [item.sentences for item in items], metrics=("bleu4", "cider")).to_dict()
    right = sum(accuracy(caption, item.scene) for caption, item in zip(captions, items, strict=True)) / len(items)
    row = {"method": method, "modality": modality, "cider": scores["cider"], "bleu4": scores["bleu4"]}
    return {**row, "factor_accuracy": 100 * right}, captions


def say(what: str, line: str) -> None:
    """One line of the story."""
    from rich.console import Console

    Console(highlight=False).print(f"[bold cyan]{what:8}[/] {line}", soft_wrap=True)


def _print(tested: dict[str, list[Item]], shown: Shown) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table(
        title=f"Captions of {len(tested['image'])} unseen items a modality, after training on sentences alone",
        box=box.SIMPLE_HEAD,
    )
    for column in ("modality", "method", "CIDEr", "BLEU-4", "factors %"):
        table.add_column(column, justify="left" if column in ("modality", "method") else "right")
    for modality in MODALITIES:
        rows = [row for row in shown.rows if row["modality"] == modality]
        best = max(row["cider"] for row in rows)
        for row in rows:
            cells = [f"{row[name]:.1f}" for name in ("cider", "bleu4", "factor_accuracy")]
            name = modality if row is rows[0] else ""
            style = "bold" if row["cider"] == best else ""
            table.add_row(name, METHODS[row["method"]], *cells, style=style, end_section=row is rows[-1])
    console.print(table)
    for modality in MODALITIES:
        item = tested[modality][0]
        console.print(f"\n{item.id}   truth: {item.sentences[0]}", soft_wrap=True)
        for method, symbol in METHODS.items():
            console.print(f"  {symbol:4} {shown.captions[modality][method][0]}", soft_wrap=True)
    console.print()
