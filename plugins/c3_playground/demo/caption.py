"""The captioning demo: captioners that are trained only on sentences caption pictures, videos and sounds.

A captioner is trained for each of C¹ (connect), C²₁ (+ collapse), C²₂ (+ corrupt) and C³ (both), as in the paper's
Tables 2 and 4, and for each of pictures, videos and sounds on sentences about things of that kind. Collapse needs two
means of the same kind of things: otherwise it would subtract what is special about sounds from the sounds, but not
from the sentences.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

from c3_playground.demo.caption_page import Results, write_page
from c3_playground.demo.captioners import DECODER, MODALITIES, NOISE, Plan, train_captioners
from c3_playground.demo.output import print_step
from c3_playground.methods import METHODS
from c3_playground.world import Item, World
from c3core import Space, load_space
from c3core.data import Source
from c3core.embedding import embed
from c3core.io import working_folder, write_json
from c3core.runtime import progress_bar
from c3core.statistics import measure_geometry, plot_geometry
from c3core.store import Store

WHOLE = Plan()


def demo(*, out: Path, seed: int = 0, plan: Plan = WHOLE) -> None:
    """Train the captioners, caption unseen items, print the table, and write `results.json` and `index.html`."""
    started, world, space = time.monotonic(), World(), load_space("playground")
    tested = {modality: world.items(modality, "test", plan.tested) for modality in MODALITIES}
    results = Results()
    print_step("Connect", "a space of text, image, video and audio comes with the package")
    with working_folder() as folder:
        stores = _embed(space, world, tested, folder, plan)
        _measure(space, stores, tested, out, results)
        print_step("Train", f"on {plan.sentences:,} sentences about each modality, without a picture, video or sound")
        total = len(METHODS) * len(MODALITIES)
        # The bar is quiet in a log, which gets a line about each captioner.
        with progress_bar("captioners", total=total, quiet=not sys.stderr.isatty()) as bar:
            for number, done in enumerate(train_captioners(folder, seed, plan), 1):
                row, captions = done.row, done.captions
                results.rows.append(row)
                results.captions.setdefault(row["modality"], {})[row["method"]] = captions[: plan.shown]
                figures = f"CIDEr {row['cider']:5.1f}   {captions[0]}"
                print_step(METHODS[row["method"]], f"{number:2}/{total} {row['modality']:5} {figures}")
                bar.advance()
    results.rows.sort(key=lambda row: (list(METHODS).index(row["method"]), MODALITIES.index(row["modality"])))
    seconds = time.monotonic() - started
    _print(tested, results)
    about: dict[str, Any] = {
        "seed": seed,
        "seconds": round(seconds, 1),
        "noise_std": NOISE,
        "sentences": plan.sentences,
    }
    about |= {"tested": plan.tested, "training": plan.training(seed), "decoder": DECODER}
    write_json(out / "results.json", {"rows": results.rows, "geometry": results.geometry, **about})
    write_page(out, tested, plan.shown, results)
    where = f"Open {out / 'index.html'}; the figures are in {out / 'results.json'}"
    print_step("Done", f"in {seconds / 60:.1f} minutes. {where}")


def _embed(space: Space, world: World, tested: dict[str, list[Item]], folder: Path, plan: Plan) -> dict[str, Store]:
    """Embed the sentences to learn from, unlabelled items for the means, and the items to caption."""
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


def _measure(
    space: Space, stores: dict[str, Store], tested: dict[str, list[Item]], out: Path, results: Results
) -> None:
    """Measure the gap and the alignment noise between each modality and its sentences, as in the paper's Table 1."""
    for modality in MODALITIES:
        sentences = space.encode([item.sentences[0] for item in tested[modality]], "text", batch_size=256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = measure_geometry(stores[f"test_{modality}"].embeddings(), sentences, group_size=100)
        results.geometry[modality] = found.to_dict()
        plot_geometry(found, out / "geometry" / modality)
        gap, noise = results.geometry[modality]["gap_length"]["mean"], results.geometry[modality]["noise_std"]
        print_step("", f"{modality:5} ↔ text: gap {gap:.2f}, alignment noise {noise:.3f} per dimension")


def _print(tested: dict[str, list[Item]], results: Results) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table(
        title=f"Captions of {len(tested['image'])} unseen items a modality, after training only on sentences",
        box=box.SIMPLE_HEAD,
    )
    for column in ("modality", "method", "CIDEr", "BLEU-4", "factors %"):
        table.add_column(column, justify="left" if column in ("modality", "method") else "right")
    for modality in MODALITIES:
        rows = [row for row in results.rows if row["modality"] == modality]
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
            console.print(f"  {symbol:4} {results.captions[modality][method][0]}", soft_wrap=True)
