"""The program `c3`: the commands of the core, and those that plugins add."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import typer

from c3core.cli import embed, info, run, train
from c3core.cli.options import Command
from c3core.errors import NotInstalled
from c3core.runtime.exit import exit_cleanly

if TYPE_CHECKING:
    from c3core.registry.registration import Entry

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
    with_plugin_commands(sys.argv[1:])()


def with_plugin_commands(words: Sequence[str]) -> typer.Typer:
    """Return `app` with the commands of plugins, for the `words` of a call. Plugins are asked only if they are needed.

    A command that is called is imported; for help, or a word that is no command, all are. None takes a name of `app`.
    """
    own = {info.callback.__name__ for info in app.registered_commands if info.callback}
    called = next((word for word in words if not word.startswith("-")), None)
    if called in own:
        return app
    from c3core.registry.discovery import registered

    brought = {name: found for name, found in registered("command").items() if name not in own}
    together = copy(app)
    together.registered_commands = [*app.registered_commands]
    for found in [brought[called]] if called in brought else brought.values():
        function, settings = _function(found)
        settings |= {"short_help": found.summary or None, "help": function.__doc__ or found.summary or None}
        together.command(found.name, cls=Command, **settings)(exit_cleanly()(function))
    return together


def _function(found: Entry) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function of a command; if it cannot be loaded, one that says why whatever words it is called with.

    With it come arguments of `typer.Typer.command`.
    """
    try:
        return found.load(), {}
    except NotInstalled as error:
        why = error

        def function() -> None:
            raise why

    return function, {"context_settings": {"ignore_unknown_options": True, "allow_extra_args": True}}
