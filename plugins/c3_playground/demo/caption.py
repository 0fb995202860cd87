"""The main job, shown: a captioner trained on sentences alone captions pictures, videos and sounds.

It is trained once for each of C¹ (connect), C²₁ (+ collapse), C²₂ (+ corrupt) and C³ (both), as in the paper's Tables 2 and 4:
for pictures, videos and sounds in turn, on sentences about things of that kind. The two means that collapse subtracts must be of
the same kind of things; otherwise what is special to sounds would be subtracted from sounds but stay in the sentences.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from c3_playground.demo.page import write_page
from c3_playground.world import Item, World, accuracy
from c3core import Pipeline, Space, load_bridge, load_decoder, load_space
from c3core.embedding import embed
from c3core.files import write_json
from c3core.geometry import geometry
from c3core.metrics.captions import caption_metrics
from c3core.plots import plot_geometry
from c3core.sources import Source
from c3core.stores import Store

METHODS = {"c1": "C¹", "c2_1": "C²₁", "c2_2": "C²₂", "c3": "C³"}
MODALITIES = ("image", "video", "audio")
NOISE = 0.03  # a dimension: near this space's own alignment noise, which the demo measures and prints
SENTENCES = 6_000  # to learn from, about each modality
UNLABELLED = 1_000  # items of each modality, for its mean alone
TESTED = 300  # unseen items of each modality
SHOWN = 6  # of them on the page
TRAINING = {
    "steps": 140,
    "batch_size": 128,
    "lr": 5e-3,
    "warmup": 20,
    "precision": "bfloat16",
    "validate_every": 140,
    "checkpoint_every": 1000,
}
DECODER = {"model": "fresh", "layers": 2, "heads": 4, "width": 128, "vocabulary": 1500, "mapping": "mlp", "prefix_length": 4}


@dataclass
class Shown:
    """What the page shows: rows of the table, items with their captions, and the geometry of each modality."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    captions: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # modality → method → captions
    geometry: dict[str, dict[str, Any]] = field(default_factory=dict)


def demo(*, out: Path, seed: int = 0) -> None:
    """Train four captioners on sentences, caption unseen items, print the table, write `results.json` and `index.html`."""
    started, world, space = time.monotonic(), World(), load_space("playground")
    tested = {modality: world.items(modality, "test", TESTED) for modality in MODALITIES}
    shown = Shown()
    say("Connect", "a space of text, image, video and audio comes with the package")
    with TemporaryDirectory() as temporary:
        stores = _stores(space, world, tested, Path(temporary))
        _measure_geometry(space, stores, tested, out, shown)
        for method, symbol in METHODS.items():
            say(symbol, f"train on {SENTENCES:,} sentences about each modality: no picture, video or sound takes part")
            for modality in MODALITIES:
                _one_captioner(method, modality, space, stores, tested[modality], seed, shown)
    seconds = time.monotonic() - started
    _print(tested, shown)
    write_json(
        out / "results.json",
        {"rows": shown.rows, "geometry": shown.geometry, "seed": seed, "seconds": round(seconds, 1), "noise_std": NOISE}
        | {"sentences": SENTENCES, "tested": TESTED, "training": TRAINING, "decoder": DECODER},
    )
    write_page(out, tested, SHOWN, METHODS, shown)
    say("Done", f"in {seconds / 60:.1f} minutes. Open {out / 'index.html'}; the figures are in {out / 'results.json'}")


def _stores(space: Space, world: World, tested: dict[str, list[Item]], folder: Path) -> dict[str, Store]:
    """Embeddings, made once: sentences to learn from, unlabelled items for the means, and the items to caption."""
    sources: dict[str, list[Any]] = {}
    for modality in MODALITIES:
        sources[f"{modality} text"] = world.sentences(SENTENCES, modality=modality)
        sources[modality] = [item.data for item in world.items(modality, "train", UNLABELLED)]
        sources[f"test {modality}"] = [item.data for item in tested[modality]]
    stores = {}
    for name, items in sources.items():
        encoder = space.encoder(name.split()[-1])
        stream = (Source(str(k), item) for k, item in enumerate(items))
        stores[name] = embed(encoder, stream, folder / name.replace(" ", "_"), batch_size=256, quiet=True)
    return stores


def _measure_geometry(space: Space, stores: dict[str, Store], tested: dict[str, list[Item]], out: Path, shown: Shown) -> None:
    """Gap and alignment noise of each modality against its sentences, as the paper's Table 1 has them."""
    for modality in MODALITIES:
        sentences = space.encode([item.sentences[0] for item in tested[modality]], "text", batch_size=256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = geometry(stores[f"test {modality}"].embeddings(), sentences, group_size=100)
        shown.geometry[modality] = found.to_dict()
        plot_geometry(found, out / "geometry" / modality)
        gap, noise = shown.geometry[modality]["gap_length"]["mean"], shown.geometry[modality]["noise_std"]
        say("", f"{modality:5} ↔ text: gap {gap:.2f}, alignment noise {noise:.3f} a dimension")


def _one_captioner(
    method: str, modality: str, space: Space, stores: dict[str, Store], items: list[Item], seed: int, shown: Shown
) -> None:
    """Train on sentences about one modality, caption its unseen items, and score the captions."""
    bridge = load_bridge(method, **({"noise_std": NOISE} if method in ("c2_2", "c3") else {}))
    pipeline = Pipeline(space, bridge, load_decoder("gpt2", space=space, **DECODER))
    uni_modal = {"text": stores[f"{modality} text"], modality: stores[modality]}
    pipeline.fit(uni_modal, options={**TRAINING, "seed": seed})
    captions = pipeline.run(stores[f"test {modality}"], modality=modality, options={"max_new_tokens": 40})
    scores = caption_metrics(captions, [item.sentences for item in items], metrics=("bleu4", "cider")).to_dict()
    right = sum(accuracy(caption, item.scene) for caption, item in zip(captions, items, strict=True)) / len(items)
    row = {"method": method, "modality": modality, "cider": scores["cider"], "bleu4": scores["bleu4"]}
    shown.rows.append({**row, "factor_accuracy": 100 * right})
    shown.captions.setdefault(modality, {})[method] = captions[:SHOWN]


def say(what: str, line: str) -> None:
    """One line of the story."""
    from rich.console import Console

    Console(highlight=False).print(f"[bold cyan]{what:8}[/] {line}")


def _print(tested: dict[str, list[Item]], shown: Shown) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table(title=f"Captions of {TESTED} unseen items a modality, after training on sentences alone", box=box.SIMPLE_HEAD)
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
        console.print(f"\n{item.id}   truth: {item.sentences[0]}")
        for method, symbol in METHODS.items():
            console.print(f"  {symbol:4} {shown.captions[modality][method][0]}")
    console.print()
