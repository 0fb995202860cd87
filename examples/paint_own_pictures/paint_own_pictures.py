"""Train a decoder on a folder of pictures only, which then draws pictures for sentences.

    python paint_own_pictures.py PICTURES SENTENCES.txt --space SPACE --decoder diffusion --out painter
    c3 run painter "a red circle above a blue star" -m text --out drawn

PICTURES is a folder, a list or table.csv:column, with thousands of pictures. SENTENCES.txt holds a few hundred
sentences like those that you will draw from, one a line; only their mean is used. SPACE has encoders for text and
images: a name that `c3 plugins` lists, or a folder that `c3 connect` wrote. The default space only knows pictures of
the playground. The decoder `stylegan` draws faster, `diffusion` draws better. Training takes about an hour on a core
that computes in bfloat16. Run the same command again to resume.
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
    parser.add_argument("pictures", help="folder, list or table.csv:column")
    parser.add_argument("sentences", help="text file of one sentence a line")
    parser.add_argument("--space", default="playground", help="name or folder of a space")
    parser.add_argument("--decoder", choices=["stylegan", "diffusion"], default="stylegan")
    parser.add_argument("--steps", type=int, help="training steps (default: see the recipe)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    words = parser.parse_args()
    recipe = read_recipe(HERE / f"{words.decoder}.yaml", FitRecipe)
    recipe.space, recipe.items = words.space, {"image": words.pictures, "text": words.sentences}
    if words.steps is not None:
        training = TrainingOptions.of(recipe.training)
        recipe.training = TrainingOptions.of({**training.model_dump(), "steps": words.steps})
    fit_recipe(recipe, words.out, folder=Path())
    print(f'To draw a picture: c3 run {words.out} "a red circle above a blue star" -m text --out drawn')


if __name__ == "__main__":
    with exit_cleanly():
        main()
