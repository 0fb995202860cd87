"""The captioning demo: captioners that learned only from sentences caption photos, pictures, videos and sounds.

First the captioners that ship show what comes out. Then a captioner is trained for each of C¹ (connect), C²₁ (+
collapse), C²₂ (+ corrupt) and C³ (both), as in the paper's Tables 2 and 4: on sentences about pictures, and with
`--all` also on sentences about videos and about sounds. Each modality has captioners of its own, because a collapse
needs two means of the same kind of things: otherwise it would subtract what is special about sounds from the sounds,
but not from the sentences.
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
from c3core import Space, load_pipeline, load_space, load_table
from c3core.data import Source
from c3core.embedding import embed
from c3core.errors import NotInstalled
from c3core.io import working_folder, write_json
from c3core.runtime import progress_bar
from c3core.statistics import measure_geometry, plot_geometry
from c3core.store import Store


def demo(*, out: Path, seed: int = 0, everything: bool = False, plan: Plan | None = None) -> None:
    """Caption, train the captioners, print the table, and write `results.json` and `index.html`."""
    started, world, space = time.monotonic(), World(), load_space("playground")
    plan = plan or Plan(modalities=MODALITIES if everything else ("image",))
    tested = {modality: world.items(modality, "test", plan.tested) for modality in plan.modalities}
    results = Results()
    _show_shipped(world, results, started)
    print_step("Connect", "a space of text, image, video and audio comes with the package")
    with working_folder() as folder:
        stores = _embed(space, world, tested, folder, plan)
        _measure(space, stores, tested, out, results)
        print_step("Train", f"on {plan.sentences:,} sentences about each modality, without a picture, video or sound")
        total = len(METHODS) * len(plan.modalities)
        # The bar is quiet in a log, which gets a line about each captioner.
        with progress_bar("captioners", total=total, quiet=not sys.stderr.isatty()) as bar:
            for number, done in enumerate(train_captioners(folder, seed, plan), 1):
                row, captions = done.row, done.captions
                results.rows.append(row)
                results.captions.setdefault(row["modality"], {})[row["method"]] = captions
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


def _show_shipped(world: World, results: Results, started: float) -> None:
    """Caption with the captioners that ship: of photos, if the extra is installed, and of the world."""
    captioner = load_pipeline("playground/captioner")
    for modality in MODALITIES:
        items = world.items(modality, "test", 3)
        results.shipped += zip(items, captioner.run([item.data for item in items], modality=modality), strict=True)
    try:
        photos = load_table("photos:samples").columns["image"]
        results.photos += zip(photos, load_pipeline("photos/captioner").run(photos, modality="image"), strict=True)
    except NotInstalled as error:
        print_step("Photos", f"are left out: {error}")
    for photo, caption in results.photos:
        print_step("Photo", f"{Path(photo).stem:12} {caption}")
    for item, caption in results.shipped[::3]:
        print_step(item.modality.capitalize(), f"{item.id:12} {caption}")
    seconds = time.monotonic() - started
    print_step("", f"the first captions, after {seconds:.0f} s, by language models that learned from sentences only")


def _embed(space: Space, world: World, tested: dict[str, list[Item]], folder: Path, plan: Plan) -> dict[str, Store]:
    """Embed the sentences to learn from, unlabelled items for the means, and the items to caption."""
    sources: dict[str, list[Any]] = {}
    for modality in plan.modalities:
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
    for modality, items in tested.items():
        sentences = space.encode([item.sentences[0] for item in items], "text", batch_size=256)
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
    number = len(next(iter(tested.values())))
    table = Table(
        title=f"Captions of {number} unseen items a modality, after training only on sentences", box=box.SIMPLE_HEAD
    )
    for column in ("modality", "method", "CIDEr", "BLEU-4", "factors %"):
        table.add_column(column, justify="left" if column in ("modality", "method") else "right")
    for modality in tested:
        rows = [row for row in results.rows if row["modality"] == modality]
        best = max(row["cider"] for row in rows)
        for row in rows:
            cells = [f"{row[name]:.1f}" for name in ("cider", "bleu4", "factor_accuracy")]
            name = modality if row is rows[0] else ""
            style = "bold" if row["cider"] == best else ""
            table.add_row(name, METHODS[row["method"]], *cells, style=style, end_section=row is rows[-1])
    console.print(table)
    for modality, items in tested.items():
        console.print(f"\n{items[0].id}   truth: {items[0].sentences[0]}", soft_wrap=True)
        for method, symbol in METHODS.items():
            console.print(f"  {symbol:4} {results.captions[modality][method][0]}", soft_wrap=True)
