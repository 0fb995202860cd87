"""Compare the geometry of two spaces on the same pairs: the modality gap, and the alignment noise beside it.

    python compare_geometry.py SPACE SPACE [--pairs pairs.csv] [--modality image] [--group-size 50]

The pairs are a CSV with the columns text and, say, image, or a table that a plugin brings; by default the playground's.
clip:ViT-B-32/random beside clip:ViT-B-32-quickgelu/openai shows what training changes, and what was there from the
start.
"""

from __future__ import annotations

import argparse

import c3core
from c3core import load_table
from c3core.runtime import exit_cleanly, print_table
from c3core.statistics import Geometry, Spread, measure_geometry

FIGURES = {
    "gap_length": "length of the gap",
    "gap_direction": "cosine between the gaps of two groups",
    "gap_span": "cosine of gap and differences within a modality",
    "noise_mean": "mean of the noise",
    "noise_cosine": "cosine between the noise of two pairs",
    "noise_std": "standard deviation of the noise, per dimension",
    "pair_cosine": "cosine of a pair",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs=2, metavar="SPACE")
    parser.add_argument("--pairs", default="playground:image/test/400/1")
    parser.add_argument("--modality", default="image")
    parser.add_argument("--group-size", type=int, default=50)
    words = parser.parse_args()

    table = load_table(words.pairs)
    items, sentences = table.column(words.modality), table.column("text")
    found = []
    for name in words.spaces:
        space = c3core.load_space(name)
        found.append(
            measure_geometry(
                space.encode(items, words.modality), space.encode(sentences, "text"), group_size=words.group_size
            )
        )
    print(f"{found[0].n} pairs, {found[0].groups} groups of {found[0].group_size}")
    rows = [
        {"figure": said, **dict(zip(words.spaces, [shown(each, name) for each in found], strict=True))}
        for name, said in FIGURES.items()
    ]
    dimensions = [
        f"{each.effective_dimension['x']} and {each.effective_dimension['y']} of {each.dim}" for each in found
    ]
    rows.append(
        {
            "figure": f"effective dimension of {words.modality} and text",
            **dict(zip(words.spaces, dimensions, strict=True)),
        }
    )
    print_table(rows, ["figure", *words.spaces])


def shown(measured: Geometry, name: str) -> str:
    value = getattr(measured, name)
    if isinstance(value, Spread):
        return f"{value.mean:.3f} ± {value.std:.3f}"
    return "–" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    with exit_cleanly():
        main()
