"""Captions for photos from a decoder that was trained on sentences alone.

    python caption_photos.py TRAIN.csv DEV.csv --out photos [--sentences MORE.txt …]

The tables have the columns image and caption, one row per caption. Their pairs connect two frozen towers into a space;
the decoder then learns from the captions' text (and MORE.txt, one sentence per line) and never sees a photo. C¹, C²₁,
C²₂ and C³ are scored on DEV.csv. Each step is kept: the same command again continues.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from c3core.data import read_table
from c3core.experiments import FitRecipe, ablate, read_recipe
from c3core.runtime import exit_cleanly, print_table
from c3core.spaces import ConnectRecipe, connect

HERE = Path(__file__).parent
MEAN_OF = 1000  # photos: more would not move their mean by as much as a tenth of the noise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="table of pairs to connect on; its captions are also sentences to learn from")
    parser.add_argument("dev", help="table of unseen photos with captions, to score on")
    parser.add_argument("--sentences", nargs="*", default=[], help="more sentences, one a line")
    parser.add_argument("--root", help="where the photos are, when not beside the tables")
    parser.add_argument("--bridges", default="c1,c2_1,c2_2,c3")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, help="of the decoder's training, instead of the recipe's")
    parser.add_argument("--out", type=Path, required=True)
    words = parser.parse_args()
    recipe = read_recipe(HERE / "connect.yaml", ConnectRecipe)
    recipe.pairs[0].train, recipe.pairs[0].validation, recipe.root = words.train, words.dev, words.root
    if not (words.out / "space" / "space.json").exists():
        print(connect(recipe, words.out / "space"))

    fit = read_recipe(HERE / "fit.yaml", FitRecipe)
    fit.training.steps = words.steps or fit.training.steps
    fit.space, fit.root = str(words.out / "space"), words.root
    photos = list(dict.fromkeys(read_table(words.train, root=words.root).columns["image"]))[:MEAN_OF]
    fit.items = {"text": [f"{words.train}:caption", *words.sentences], "image": photos}
    result = ablate(
        fit,
        words.dev,
        words.out,
        bridges=words.bridges.split(","),
        seeds=[int(seed) for seed in words.seeds.split(",")],
        folder=Path(),
        options={"num_beams": 3, "max_new_tokens": 30},
    )
    rows = [
        {name: value["mean"] if isinstance(value, dict) else value for name, value in row.items()}
        for row in result["rows"]
    ]
    print_table(rows, list(rows[0]))
    print(f"captions for any photo: c3 run {words.out}/c3-0 photo.jpg -m image -o num_beams=3")


if __name__ == "__main__":
    with exit_cleanly():
        main()
