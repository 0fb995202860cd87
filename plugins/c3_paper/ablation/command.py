"""The command."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from c3core.cli import (
    Change,
    DecoderOption,
    DryRun,
    Json,
    MetricName,
    Out,
    Quiet,
    Recipe,
    numbers_of,
    read_changed,
    resumable,
    run_folder,
    trial,
)


@resumable()
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
        str | None,
        typer.Option(help="Published figures to compare with: a table of `c3 paper`, or a YAML list of rows."),
    ] = None,
    metric: MetricName = [],  # noqa: B006
    option: DecoderOption = [],  # noqa: B006
    change: Change = [],  # noqa: B006
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train and score a recipe with several bridges. Prints one table, mean ± std over seeds."""
    from c3_paper.ablation.runs import ablate as work
    from c3core.experiments import FitRecipe
    from c3core.io import named_values
    from c3core.runtime import print_json, print_table

    read, out = read_changed(recipe, FitRecipe, change, dry_run), run_folder(out, dry_run)
    result = work(
        read,
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
        from c3_paper.ablation.fraction_plot import plot_fractions

        plot_fractions(result["rows"], out)
    if json:
        print_json(result)
        return
    rows = _lines(result["rows"])
    print_table(rows, list(dict.fromkeys(name for row in rows for name in row)))
    left_out = {f"{metric}: {why}" for run in result["runs"] for metric, why in run["left_out"].items()}
    for line in sorted(left_out):
        print(line)
    if dry_run:
        print(trial(out))


def _lines(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of an ablation's table: for each row its means, and with published figures these and the difference."""
    from c3core.metrics import decimals

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
