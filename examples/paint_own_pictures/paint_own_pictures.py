"""Pictures for sentences from a decoder that was trained on a folder of pictures alone.

    python paint_own_pictures.py PICTURES SENTENCES.txt --space SPACE --decoder diffusion --out painter
    c3 run painter "a red circle above a blue star" -m text --out drawn

PICTURES is a folder, a list or table.csv:column. SENTENCES.txt holds a few hundred sentences like those that will be
asked for, one per line; of them the mean is used and nothing else. SPACE knows both text and pictures: a name of `c3
plugins`, or a folder that `c3 connect` wrote; the default one knows pictures of the playground alone. `stylegan`, the
default, draws faster, `diffusion` better. Both recipes want thousands of pictures, and about an hour of a core that
computes in bfloat16. The same command again goes on where it was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from c3core.experiments import FitRecipe, fit_recipe, read_recipe
from c3core.runtime import exit_cleanly
from c3core.training import TrainingOptions

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures")
    parser.add_argument("sentences")
    parser.add_argument("--space", default="playground")
    parser.add_argument("--decoder", choices=["stylegan", "diffusion"], default="stylegan")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--out", type=Path, required=True)
    words = parser.parse_args()
    recipe = read_recipe(HERE / f"{words.decoder}.yaml", FitRecipe)
    recipe.space, recipe.items = words.space, {"image": words.pictures, "text": words.sentences}
    if words.steps is not None:
        recipe.training = TrainingOptions.of({**recipe.training.model_dump(), "steps": words.steps})
    fit_recipe(recipe, words.out, folder=Path())
    print(f'a picture for any sentence: c3 run {words.out} "a red circle above a blue star" -m text --out drawn')


if __name__ == "__main__":
    with exit_cleanly():
        main()
