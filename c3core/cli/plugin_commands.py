"""The commands that plugins add to `c3`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import typer

from c3core.cli.options import Command
from c3core.errors import NotInstalled
from c3core.runtime.exit import exit_cleanly

if TYPE_CHECKING:
    from c3core.registry.registration import Entry


def with_plugin_commands(app: typer.Typer, words: Sequence[str]) -> typer.Typer:
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
