"""The command line, `c3`. Each command's work is imported when it is called, so that `c3 --help` is instant."""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer

import c3core.cli.data as data
import c3core.cli.experiments as experiments
import c3core.cli.inspect as inspect
import c3core.cli.run as run
from c3core.errors import C3Error

app = typer.Typer(
    name="c3",
    help="Learn a cross-modal task from data of one modality: connect, collapse, corrupt.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _ended_by_hand(command: Callable[..., Any], *, continues: bool) -> Callable[..., Any]:
    """The command, where Ctrl-C and a closed pipe end it cleanly: typer would keep both from `main`."""

    @functools.wraps(command)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except KeyboardInterrupt as interrupt:
            said = (
                "stopped. The same command again continues where checkpoints or shards were written." if continues else "stopped."
            )
            print(str(interrupt) or said, file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `c3 … | head`: the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return called


for module in (run, experiments, data, inspect):
    for command in module.COMMANDS:
        app.command()(_ended_by_hand(command, continues=module in (experiments, data)))


@app.callback(invoke_without_command=True)
def _version(context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from c3core.version import __version__

        typer.echo(f"c3core {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run `c3`. Errors are one or two lines on standard error; exit status 2 for a wrong call, 1 where the work failed."""
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait for one another spin, and on a busy machine keep each other from their turn: a picture of 0.2 s then takes
    # 20 s. Torch's OpenMP reads this when it loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        app()
    except C3Error as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.status)
