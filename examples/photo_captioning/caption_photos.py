"""Caption photos with a decoder that learned from sentences only.

    python caption_photos.py TRAIN.csv DEV.csv --out photos [--sentences MORE.txt …]

Both tables have the columns image and caption, with one row per caption. The script

1. connects two frozen towers into a space, on the pairs of TRAIN.csv;
2. trains a decoder for each bridge (C¹, C²₁, C²₂ and C³) on the captions of TRAIN.csv and the lines of MORE.txt. The
   decoder sees no photo: the bridge only takes the mean embedding of the photos in TRAIN.csv;
3. scores each decoder on the photos of DEV.csv.

Run the same command again to resume.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from c3core.experiments import FitRecipe, ablate, read_recipe
from c3core.runtime import exit_cleanly, print_table
from c3core.spaces import ConnectRecipe, connect
from c3core.training import TrainingOptions

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="table of photos with captions, to connect the towers and to train on")
    parser.add_argument("dev", help="table of other photos with captions, to score on")
    parser.add_argument("--sentences", nargs="*", default=[], help="text files with more sentences, one a line")
    parser.add_argument("--root", help="folder of the photos (default: the folder of each table)")
    parser.add_argument("--bridges", default="c1,c2_1,c2_2,c3", help="names separated by commas")
    parser.add_argument("--seeds", default="0", help="numbers separated by commas")
    parser.add_argument(
        "--steps", type=int, help="training steps of the space and of each decoder (default: see .yaml)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    words = parser.parse_args()

    recipe = read_recipe(HERE / "connect.yaml", ConnectRecipe)
    recipe.pairs[0].train, recipe.pairs[0].validation, recipe.root = words.train, words.dev, words.root
    recipe.training = with_steps(recipe.training, words.steps)
    figures = connect(recipe, words.out / "space")
    print_scores([{"pairs": pairs, **values} for pairs, values in figures.items()], decimals=3)

    fit = read_recipe(HERE / "fit.yaml", FitRecipe)
    fit.space, fit.features, fit.root = str(words.out / "space"), str(words.out / "space" / "run"), words.root
    fit.items = {"text": [f"{words.train}:caption", *words.sentences], "image": f"{words.train}:image"}
    fit.training = with_steps(fit.training, words.steps)
    result = ablate(
        fit,
        words.dev,
        words.out,
        bridges=words.bridges.split(","),
        seeds=[int(seed) for seed in words.seeds.split(",")],
        folder=Path(),
        generation={"num_beams": 3, "max_new_tokens": 30},
    )
    rows = [
        {name: value["mean"] if isinstance(value, dict) else value for name, value in row.items()}
        for row in result["rows"]
    ]
    print_scores(rows, decimals=1)
    print(f"To caption a photo: c3 run {words.out}/c3-0 photo.jpg -m image -o num_beams=3")


def with_steps(training: TrainingOptions | None, steps: int | None) -> TrainingOptions:
    options = TrainingOptions.of(training)
    return options if steps is None else TrainingOptions.of({**options.model_dump(), "steps": steps})


def print_scores(rows: list[dict[str, Any]], *, decimals: int) -> None:
    """Print rows as a table whose numbers have the same number of decimals."""
    print_table(
        [
            {name: f"{value:.{decimals}f}" if isinstance(value, float) else value for name, value in row.items()}
            for row in rows
        ],
        list(rows[0]),
    )


if __name__ == "__main__":
    with exit_cleanly():
        main()
