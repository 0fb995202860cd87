"""The command line, `c3`. Each command's work is imported when it is called, so that `c3 --help` is instant.

`__init__.pyi` lists the options and helpers for the commands of plugins.
"""

from __future__ import annotations

import os
import sys

import typer

from c3core.cli import embed, info, run, train
from c3core.cli.options import (
    Change,
    Command,
    DecoderOption,
    Device,
    DryRun,
    Json,
    MetricName,
    Out,
    Quiet,
    Recipe,
    Seed,
    numbers_of,
)
from c3core.cli.output import writable
from c3core.cli.plugin_commands import with_plugin_commands
from c3core.cli.recipes import read_changed, resumable, run_folder, trial
from c3core.runtime.exit import exit_cleanly

__all__ = [
    "Change", "DecoderOption", "Device", "DryRun", "Json", "MetricName", "Out", "Quiet", "Recipe", "Seed", "app",
    "main", "numbers_of", "read_changed", "resumable", "run_folder", "trial", "writable",
]  # fmt: skip

app = typer.Typer(
    name="c3",
    help="Learn a cross-modal task from data of one modality: connect, collapse, corrupt.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for module in (run, train, embed, info):
    for command in module.COMMANDS:
        app.command(cls=Command)(
            exit_cleanly()(command)
        )  # inside of typer, which would keep Ctrl-C and a closed pipe from `main`


@app.callback(invoke_without_command=True)
def _version(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        from c3core.version import __version__

        typer.echo(f"c3core {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@exit_cleanly()
def main() -> None:
    """Run `c3`. Errors are one or two lines on standard error; exit status 2 for a wrong call, 1 where the work
    failed.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    with_plugin_commands(app, sys.argv[1:])()
