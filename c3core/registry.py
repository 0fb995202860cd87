"""What is installed: entry points collected once, factories imported when asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

import pluggy

from c3core.errors import C3Error, near
from c3core.hooks import GROUP, Hooks

KINDS = {
    "space": "c3_spaces",
    "bridge": "c3_bridges",
    "decoder": "c3_decoders",
    "tower": "c3_towers",
    "table": "c3_tables",
    "pipeline": "c3_pipelines",
}


@dataclass(frozen=True)
class Entry:
    """One thing that a plugin registered."""

    kind: str
    name: str
    factory: str
    plugin: str
    modalities: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str | None = None
    summary: str = ""

    @property
    def missing(self) -> list[str]:
        """The required modules that cannot be imported, looked up without importing any."""
        return [module for module in self.requires if find_spec(module.split(".")[0]) is None]

    def load(self) -> Any:
        """Import the factory; a missing extra answers with its install line."""
        if missing := self.missing:
            install = f'"c3core[{self.extra}]"' if self.plugin.startswith("c3_") else str(self.extra or self.plugin)
            raise C3Error(f"{self.kind} {self.name!r} needs {', '.join(missing)}. Install it: pip install {install}")
        module, _, attribute = self.factory.partition(":")
        return getattr(import_module(module), attribute)


def _plugin_manager() -> pluggy.PluginManager:
    """Load each entry point in its own try: a plugin that fails to import is named in a warning and harms nothing else."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            manager.register(point.load(), name=point.name)
        except Exception as error:  # whatever a stranger's module raises
            _warn(point, error)
    return manager


def _warn(point: EntryPoint, error: Exception) -> None:
    warnings.warn(f"plugin {point.name!r} ({point.value}) was left out: {type(error).__name__}: {error}", stacklevel=4)


@cache
def entries() -> tuple[Entry, ...]:
    """Everything that the installed plugins register, by kind and name. Collected once; imports no model library."""
    manager, found = _plugin_manager(), dict[tuple[str, str], Entry]()
    for kind, hook in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            try:
                implementation.function(register=_register(kind, implementation.plugin_name, found))
            except Exception as error:  # a plugin whose hook fails must not take the others along
                message = f"plugin {implementation.plugin_name!r} was left out of {hook}: {type(error).__name__}: {error}"
                warnings.warn(message, stacklevel=2)
    return tuple(sorted(found.values(), key=lambda entry: (list(KINDS).index(entry.kind), entry.name)))


def _register(kind: str, plugin: str, found: dict[tuple[str, str], Entry]) -> Callable[..., None]:
    def register(
        name: str,
        factory: str,
        *,
        modalities: Iterable[str] = (),
        requires: Iterable[str] = (),
        extra: str | None = None,
        summary: str = "",
    ) -> None:
        if ":" not in factory:
            raise C3Error(f"the factory of {name!r} must be a string 'module:function', got {factory!r}")
        if (kind, name) in found:
            raise C3Error(f"{kind} {name!r} is registered already, by plugin {found[kind, name].plugin!r}")
        found[kind, name] = Entry(kind, name, factory, plugin, tuple(modalities), tuple(requires), extra, summary)

    return register


def entry(kind: str, name: str) -> Entry:
    """The entry of a kind and name; a `C3Error` offers near names."""
    known = {found.name: found for found in entries() if found.kind == kind}
    if name not in known:
        raise C3Error(f"no {kind} is called {name!r}: {near(name, known)}. `c3 plugins` lists what is installed.")
    return known[name]
