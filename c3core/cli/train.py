"""`c3 connect` and `c3 fit`: train by a recipe. `c3 push`: share what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from c3core.cli.options import Change, DryRun, Json, Out, Quiet, Recipe
from c3core.cli.recipes import read_changed, resumable, run_folder, trial
from c3core.io.layout import PIPELINE, SPACE, path_of
from c3core.runtime.console import print_json, print_table

RECALLS = ("x_to_y", "y_to_x")  # figures of a space that are shares; tables show R@1 in %


@resumable()
def connect(
    recipe: Recipe,
    out: Out,
    change: Change = [],  # noqa: B006  typer copies it
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a space from pairs. Its towers and projection heads learn by a contrastive loss."""
    from c3core.spaces.contrastive_trainer import RUN
    from c3core.spaces.contrastive_trainer import connect as work
    from c3core.spaces.recipe import ConnectRecipe
    from c3core.training.run_folder import has_finished

    read, out = read_changed(recipe, ConnectRecipe, change, dry_run), run_folder(out, dry_run, SPACE)
    done = f"nothing left to do: {out} is finished" if has_finished(out / RUN, out / SPACE) else f"saved {out}"
    measured = work(read, out, folder=recipe.parent, quiet=quiet)
    if json:
        print_json(measured)
    else:
        rows = [
            {"pairs": pair}
            | {f"r1 {name}".replace("_to_", " → "): f"{100 * figures[name]:.1f}" for name in RECALLS}
            | {name: f"{value:.3f}" for name, value in figures.items() if name not in RECALLS}
            for pair, figures in measured.items()
        ]
        if rows:
            print_table(rows, list(rows[0]))
        print(
            trial(out)
            if dry_run
            else f"{done}. Use it as the `space` of a recipe, or: c3 embed {out} MODALITY INPUT… --out STORE"
        )


@resumable()
def fit(
    recipe: Recipe,
    out: Out,
    change: Change = [],  # noqa: B006
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Fit a bridge, train a decoder and save the pipeline."""
    from c3core.experiments.fit import fit_recipe, is_fitted
    from c3core.experiments.recipe import FitRecipe
    from c3core.pipeline.manifest import read_manifest

    read, out = read_changed(recipe, FitRecipe, change, dry_run), run_folder(out, dry_run, PIPELINE)
    if is_fitted(read, out, folder=recipe.parent):
        done, trained_on = f"nothing left to do: {out} is finished", read_manifest(out).trained_on
    else:
        pipeline = fit_recipe(read, out, folder=recipe.parent, quiet=quiet)
        takes = ", ".join(pipeline.modalities)
        done, trained_on = f"saved {out}, which takes {takes}", pipeline.trained_on
    if json:
        print_json({"pipeline": str(out), "trained_on": trained_on})
    elif dry_run:
        print(trial(out))
    else:
        print(f"{done}. Use it: c3 run {out} INPUT…")


def push(
    folder: Annotated[Path, typer.Argument(parser=path_of, metavar="FOLDER", help="Of a pipeline or a space.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Its name on the hub; maybe owner/name@branch.")],
    private: Annotated[bool, typer.Option("--private", help="Make a private repository.")] = False,
    revision: Annotated[str | None, typer.Option(help="The branch to push to. It is made if there is none.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="What the commit says.")] = None,
) -> None:
    """Push a pipeline or a space to the Hugging Face hub. It is one commit."""
    from c3core.pipeline.loading import push_to_hub

    address = push_to_hub(folder, repo, private=private, revision=revision, commit_message=message)
    name = f"{repo}@{revision}" if revision and "@" not in repo else repo
    use = f"c3 run {name} INPUT…" if (folder / PIPELINE).is_file() else f"c3 embed {name} MODALITY INPUT… --out STORE"
    print(f"pushed {address}. Use it: {use}")


COMMANDS = (connect, fit, push)
