"""The drawing demo: painters that were trained only on pictures draw sentences.

The painters come trained with the package. The demo draws with each of C³, C²₂ (without collapse), C²₁ (without
corrupt) and C¹ (connect only), and with C³ it also keeps the best of several pictures. With `--all` the StyleGAN
decoder draws too.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from c3_playground.demo.draw_page import best_of_text, table_rows, write_page
from c3_playground.demo.output import print_step
from c3_playground.methods import METHODS
from c3_playground.painters.factor_network import load_reader
from c3_playground.painters.scores import bounds, draw, score
from c3_playground.painters.shipped import painter
from c3_playground.world import World
from c3core.io import write_json
from c3core.media import Picture, write_sheet
from c3core.runtime import print_table

BEST_OF = 4  # pictures of a sentence, of which the space's encoder chooses one
FROM_BEST = tuple(reversed(METHODS))  # C³ first
WAYS = [("diffusion", "c3", BEST_OF), *(("diffusion", method, 1) for method in FROM_BEST)]
MORE = [("stylegan", method, 1) for method in FROM_BEST]
MEASURED = 100  # unseen sentences
SHOWN = 8  # of them in the grid
SAMPLES = 16  # pictures of one sentence
SAMPLED = 7  # index of that sentence, which leaves place, size and background open


def demo(*, out: Path, seed: int = 0, everything: bool = False, measured: int = MEASURED) -> None:
    """Draw unseen sentences, print the table, and write `results.json`, `grid.png`, `samples-*.png`, `index.html`."""
    started, reader = time.monotonic(), load_reader()
    items = World().items("image", "test", measured)
    rows: list[dict[str, Any]] = []
    drawn: list[list[Picture]] = []
    sampled = items[min(SAMPLED, measured - 1)].sentences[0]
    print_step("Draw", f"from {measured} unseen sentences; the painters learned only from pictures")
    for decoder, method, best_of in WAYS + MORE * everything:
        pipeline = painter(decoder, method)
        pictures = draw(pipeline, items, seed=seed, best_of=best_of)
        row = {"decoder": decoder, "method": method, "best_of": best_of}
        row |= score(pipeline, items, pictures, reader, seed=seed)
        rows.append(row)
        drawn.append(pictures[:SHOWN])
        name, figures = decoder + best_of_text(row), f"factors {row['factors']:5.1f} %   R@1 {row['r1']:5.1f} %"
        print_step(METHODS[method], f"{name:19} {figures}")
        if method == "c3" and best_of == 1:
            samples = pipeline.run([sampled] * SAMPLES, modality="text", seed=seed)  # each starts from other noise
            write_sheet([samples[at : at + 4] for at in range(0, SAMPLES, 4)], out / f"samples-{decoder}.png")
    limits = bounds(items, reader, pipeline)
    table = table_rows(rows, limits)
    print_table(table, list(table[0]))
    shown = items[:SHOWN]
    write_sheet([[item.data, *(pictures[k] for pictures in drawn)] for k, item in enumerate(shown)], out / "grid.png")
    seconds = time.monotonic() - started
    write_json(
        out / "results.json",
        {"rows": rows, "bounds": limits, "measured": measured, "seed": seed, "seconds": round(seconds, 1)},
    )
    write_page(out, shown, drawn, rows, limits, sampled)
    print_step("Done", f"in {seconds:.0f} s. Open {out / 'index.html'}; the figures are in {out / 'results.json'}")
