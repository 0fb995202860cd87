"""`c3 connect`, `c3 fit` and `c3 ablate`: train by a recipe. `c3 push`: share what was trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from c3core.cli.options import Change, DecoderOption, DryRun, Json, MetricName, Quiet, numbers_of
from c3core.cli.output import writable
from c3core.io.layout import path_of
from c3core.runtime.console import print_json, print_table

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")
RECALLS = ("x_to_y", "y_to_x")  # figures of a space that are shares; tables show R@1 in %

Recipe = Annotated[
    Path, typer.Argument(parser=path_of, metavar="RECIPE", help="A YAML file; its paths are relative to it.")
]
Out = Annotated[
    Path,
    typer.Option(
        help="Folder to write; the same command again continues a killed run.", parser=writable, metavar="<folder>"
    ),
]


@contextmanager
def _resumable() -> Iterator[None]:
    """Say on Ctrl-C how to resume, if nothing else does."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(str(interrupt) or "stopped. Run the same command again to continue.") from None


@_resumable()
def connect(
    recipe: Recipe,
    out: Out,
    change: Change = [],  # noqa: B006  typer copies it
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a space from pairs. Its towers and projection heads learn by a contrastive loss."""
    from c3core.spaces.contrastive_trainer import connect as work
    from c3core.spaces.contrastive_trainer import is_connected, measured_figures
    from c3core.spaces.recipe import ConnectRecipe

    read = _read(recipe, ConnectRecipe, change, dry_run)
    if is_connected(read, out, folder=recipe.parent):
        done, measured = f"nothing left to do: {out} is finished", measured_figures(out)
    else:
        done, measured = f"saved {out}", work(read, out, folder=recipe.parent, quiet=quiet)
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
            _trial(out)
            if dry_run
            else f"{done}. Use it as the `space` of a recipe, or: c3 embed {out} MODALITY INPUT… --out STORE"
        )


@_resumable()
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

    read = _read(recipe, FitRecipe, change, dry_run)
    if is_fitted(read, out, folder=recipe.parent):
        done, trained_on = f"nothing left to do: {out} is finished", read_manifest(out).trained_on
    else:
        pipeline = fit_recipe(read, out, folder=recipe.parent, quiet=quiet)
        takes = ", ".join(pipeline.modalities)
        done, trained_on = f"saved {out}, which takes {takes}", pipeline.trained_on
    if json:
        print_json({"pipeline": str(out), "trained_on": trained_on})
    elif dry_run:
        print(_trial(out))
    else:
        print(f"{done}. Use it: c3 run {out} INPUT…")


@_resumable()
def ablate(
    recipe: Recipe,
    table: Annotated[str, typer.Argument(help="A table to score on, as for c3 evaluate.")],
    out: Out,
    bridges: Annotated[str, typer.Option(help="Names of bridges, separated by commas.")] = "c1,c2_1,c2_2,c3",
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    fractions: Annotated[
        str, typer.Option(help="Shares of the recipe's pairs to train on, separated by commas. Draws fractions.png.")
    ] = "",
    against: Annotated[
        str | None, typer.Option(help="Published figures to compare with, such as table2. `c3 plugins` lists them.")
    ] = None,
    metric: MetricName = [],  # noqa: B006
    option: DecoderOption = [],  # noqa: B006
    change: Change = [],  # noqa: B006
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train and score a recipe with several bridges. Prints one table, mean ± std over seeds."""
    from c3core.experiments.ablation import ablate as work
    from c3core.experiments.recipe import FitRecipe
    from c3core.io.yaml_text import named_values

    result = work(
        _read(recipe, FitRecipe, change, dry_run),
        table,
        out,
        bridges=[bridge.strip() for bridge in bridges.split(",")],
        seeds=numbers_of(seeds, int, "seeds"),
        fractions=numbers_of(fractions, float, "fractions"),
        against=against,
        folder=recipe.parent,
        generation=named_values(option),
        metrics=metric,
        quiet=quiet,
    )
    if fractions:
        from c3core.experiments.fraction_plot import plot_fractions

        plot_fractions(result["rows"], out)
    if json:
        print_json(result)
        return
    rows = _lines(result["rows"])
    print_table(rows, list(dict.fromkeys(name for row in rows for name in row)))
    left_out = {f"{metric}: {why}" for run in result["runs"] for metric, why in run["left_out"].items()}
    for line in sorted(left_out):
        print(line)


def _read(path: Path, model: type[Model], change: list[str], dry: bool) -> Model:
    from c3core.experiments.recipe import dry_run, read_recipe
    from c3core.io.yaml_text import named_values

    read = read_recipe(path, model, changes=named_values(change))
    return dry_run(read) if dry else read


def _trial(out: Path) -> str:
    return f"The recipe works. {out} holds a trial of two steps: leave out --dry-run, and name another folder."


def _lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of an ablation's table: for each row its means, and with published figures these and the difference."""
    from c3core.metrics.shown import decimals

    scored = [
        {name: value for name, value in row.items() if isinstance(value, dict) and "mean" in value} for row in rows
    ]
    digits = {
        metric: decimals(metric, (scores[metric]["mean"] for scores in scored if metric in scores))
        for metric in dict.fromkeys(metric for scores in scored for metric in scores)
    }

    def text(metric: str, value: float | None, before: str = "", sign: str = "") -> str:
        return "" if value is None else f"{before}{value:{sign}.{digits[metric]}f}"

    lines: list[dict[str, Any]] = []
    for row, scores in zip(rows, scored, strict=True):
        means = {
            metric: text(metric, score["mean"]) + text(metric, score["std"], " ± ") for metric, score in scores.items()
        }
        lines.append({name: value for name, value in row.items() if not isinstance(value, dict)} | means)
        if row.get("paper"):
            blank = dict.fromkeys(lines[-1], "")
            paper = {metric: text(metric, value) for metric, value in row["paper"].items()}
            difference = {metric: text(metric, value, sign="+") for metric, value in row["difference"].items()}
            lines += [blank | {"bridge": "  paper"} | paper, blank | {"bridge": "  difference"} | difference]
    return lines


def push(
    folder: Annotated[Path, typer.Argument(parser=path_of, metavar="FOLDER", help="Of a pipeline or a space.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Its name on the hub; maybe owner/name@branch.")],
    private: Annotated[bool, typer.Option("--private", help="Make a private repository.")] = False,
    revision: Annotated[str | None, typer.Option(help="The branch to push to. It is made if there is none.")] = None,
    message: Annotated[str | None, typer.Option("--message", "-m", help="What the commit says.")] = None,
) -> None:
    """Push a pipeline or a space to the Hugging Face hub, in one commit."""
    from c3core.io.layout import PIPELINE
    from c3core.pipeline.loading import push_to_hub

    address = push_to_hub(folder, repo, private=private, revision=revision, commit_message=message)
    name = f"{repo}@{revision}" if revision and "@" not in repo else repo
    use = f"c3 run {name} INPUT…" if (folder / PIPELINE).is_file() else f"c3 embed {name} MODALITY INPUT… --out STORE"
    print(f"pushed {address}. Use it: {use}")


COMMANDS = (connect, fit, ablate, push)
