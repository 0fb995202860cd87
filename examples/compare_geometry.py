"""Compare the modality gap and the alignment noise of two spaces on the same pairs.

    python compare_geometry.py SPACE SPACE [--pairs pairs.csv] [--modality image] [--group-size 50]

The pairs are a CSV file with the columns text and image (or another modality), or a table of a plugin. Compare
clip:ViT-B-32/random with clip:ViT-B-32-quickgelu/openai to see what training changes.
"""

from __future__ import annotations

import argparse

import c3core
from c3core import load_table
from c3core.runtime import exit_cleanly, print_table
from c3core.statistics import Geometry, Spread, measure_geometry

FIGURES = {
    "gap_length": "length of the gap",
    "gap_direction": "cosine of the gaps of two groups",
    "gap_span_x": "cosine of the gap and differences within the modality",
    "gap_span_y": "cosine of the gap and differences within text",
    "noise_cosine": "cosine of the noise of two pairs",
    "noise_std": "standard deviation of the noise, per dimension",
    "noise_anisotropy": "largest variance of the noise over the mean one",
    "pair_cosine": "cosine of a pair",
    "distance_left": "share of a pair's distance that is left after collapse",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs=2, metavar="SPACE", help="name or folder of a space")
    parser.add_argument("--pairs", default="playground:image/test/400/1", help="CSV file or table of a plugin")
    parser.add_argument("--modality", default="image", help="column to compare with the text")
    parser.add_argument("--group-size", type=int, default=50, help="pairs in a group")
    words = parser.parse_args()

    table = load_table(words.pairs)
    items, sentences = table.column(words.modality), table.column("text")
    geometries: dict[str, Geometry] = {}
    for name in words.spaces:
        space = c3core.load_space(name)
        x, y = space.encode(items, words.modality), space.encode(sentences, "text")
        geometries[name] = measure_geometry(x, y, group_size=words.group_size)
    first = geometries[words.spaces[0]]
    print(f"{first.n} pairs, {first.groups} groups of {first.group_size}")
    rows = [
        {"figure": text} | {name: shown(geometry, figure) for name, geometry in geometries.items()}
        for figure, text in FIGURES.items()
    ]
    dimensions = {name: dimensions_of(geometry) for name, geometry in geometries.items()}
    rows.append({"figure": f"effective dimension of {words.modality}, text and noise"} | dimensions)
    print_table(rows, ["figure", *geometries])


def shown(geometry: Geometry, figure: str) -> str:
    value = getattr(geometry, figure)
    if isinstance(value, Spread):
        return f"{value.mean:.3f} ± {value.std:.3f}"
    return "–" if value is None else f"{value:.4f}"


def dimensions_of(geometry: Geometry) -> str:
    x, y, noise = (geometry.effective_dimension[name] for name in ("x", "y", "noise"))
    return f"{x}, {y} and {noise} of {geometry.dim}"


if __name__ == "__main__":
    with exit_cleanly():
        main()
