"""Find plugins by their entry points. Their factories are imported at first use."""

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

from c3core.errors import C3Error, NotInstalled, WrongCall, near
from c3core.registry.hooks import GROUP, Hooks, Register

KINDS = {
    "space": "c3_spaces",
    "bridge": "c3_bridges",
    "decoder": "c3_decoders",
    "tower": "c3_towers",
    "table": "c3_tables",
    "metric": "c3_metrics",
    "published": "c3_published",
    "pipeline": "c3_pipelines",
    "demo": "c3_demos",
    "command": "c3_commands",
}
OWN = "c3core"  # the distribution of the core and its own plugins


@dataclass(frozen=True)
class Entry:
    """One thing that a plugin registers. `package` is the installed distribution of the plugin."""

    kind: str
    name: str
    factory: str
    plugin: str
    package: str
    modalities: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    extra: str | None = None
    summary: str = ""

    @property
    def missing(self) -> list[str]:
        """The required modules that are not installed. None is imported."""
        return [module for module in self.requires if not _importable(module.split(".")[0])]

    @property
    def install(self) -> str:
        """The argument of `pip install` that brings what is missing."""
        if self.package == OWN:
            return f'"{OWN}[{self.extra}]"' if self.extra else OWN
        return self.extra or self.package

    def load(self) -> Any:
        """Import the factory. If a requirement is missing, the error says how to install it."""
        if missing := self.missing:
            needs = f"{self.kind} {self.name!r} needs {', '.join(missing)}"
            raise NotInstalled(f"{needs}. Install it: pip install {self.install}")
        module, _, attribute = self.factory.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except C3Error:
            raise
        except (ImportError, AttributeError) as error:
            raise NotInstalled(
                f"{self.kind} {self.name!r} of plugin {self.plugin!r} cannot be loaded: {error}."
                f" Repair or reinstall it: pip install {self.install}"
            ) from error


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # a module that a program made and put into sys.modules has no spec, but can be imported
        return True


def _plugin_manager() -> tuple[pluggy.PluginManager, dict[str, str]]:
    """Import the plugins. Return them with the package of each; warn of one that fails, and leave it out.

    The core's own come first, so that no other plugin can take their names.
    """
    manager, packages = pluggy.PluginManager(GROUP), dict[str, str]()
    manager.add_hookspecs(Hooks)
    for point in sorted(entry_points(group=GROUP), key=lambda point: (_package(point) != OWN, point.name)):
        try:
            module = point.load()
            manager.register(module, name=point.name)
        except (Exception, SystemExit) as error:  # a foreign module may raise anything
            _warn(f"plugin {point.name!r} ({point.value}) was left out", error)
        else:
            packages[point.name] = _package(point)
            for hook in KINDS.values() & vars(module).keys():
                if not hasattr(getattr(module, hook), f"{GROUP}_impl"):
                    _warn(f"plugin {point.name!r}: {hook} does nothing without @hookimpl (from c3core import hookimpl)")
    known = set(KINDS.values())
    for hook, caller in vars(manager.hook).items():
        if hook not in known:
            names = ", ".join(repr(implementation.plugin_name) for implementation in caller.get_hookimpls())
            _warn(f"plugin {names}: no hook is called {hook!r}, {near(hook, known)}")
    return manager, packages


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module.split(".")[0]


def _warn(message: str, error: BaseException | None = None) -> None:
    warnings.warn(message if error is None else f"{message}: {type(error).__name__}: {error}", stacklevel=2)


_OWN: dict[tuple[str, str], Entry] = {}  # what `register` was given in this process


def register(kind: str, name: str, factory: Callable[..., Any], *, modalities: Iterable[str] = ()) -> None:
    """Register a class or function of a script or notebook, as the hook of a plugin would, for this process.

    `kind` is that of the hook without `c3_` and the s: "tower" for `c3_towers`. A space or pipeline that is saved with
    it loads only in a process that registers it too: write a plugin to share it (`c3 init plugin`). Raises `WrongCall`
    for an unknown kind, for the name of a plugin's, and for a class or function that is not at the top level of its
    module.
    """
    if kind not in KINDS:
        raise WrongCall(f"nothing of kind {kind!r} can be registered: {near(kind, KINDS)}")
    if name in registered(kind) and (kind, name) not in _OWN:
        raise WrongCall(f"plugin {registered(kind)[name].plugin!r} has a {kind} {name!r}. Take another name.")
    module, place = factory.__module__, factory.__qualname__
    if "<locals>" in place:
        raise WrongCall(f"{place} is inside a function. Define it at the top level of {module}.")
    found: dict[tuple[str, str], Entry] = {}
    _register(kind, module, module, found)(name, f"{module}:{place}", modalities=modalities)
    _OWN.update(found)
    entries.cache_clear()


@cache
def entries() -> tuple[Entry, ...]:
    """Return everything that installed plugins register, sorted by kind and name. Cached; imports no model library."""
    (manager, packages), found = _plugin_manager(), dict(_OWN)
    for kind, hook in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            plugin = implementation.plugin_name
            brought = dict[tuple[str, str], Entry]()
            try:
                implementation.function(register=_register(kind, plugin, packages[plugin], brought))
            except (Exception, SystemExit) as error:  # a foreign hook may raise anything
                _warn(f"plugin {plugin!r} was left out of {hook}", error)
                continue
            for key, entry in brought.items():
                if key in found:
                    taken = f"plugin {found[key].plugin!r} has one of that name"
                    _warn(f"plugin {plugin!r}: {kind} {entry.name!r} was left out, {taken}")
                else:
                    found[key] = entry
    return tuple(sorted(found.values(), key=lambda entry: (list(KINDS).index(entry.kind), entry.name)))


def _register(kind: str, plugin: str, package: str, found: dict[tuple[str, str], Entry]) -> Register:
    def register(
        name: str,
        factory: str,
        *,
        modalities: Iterable[str] = (),
        requires: Iterable[str] = (),
        extra: str | None = None,
        summary: str = "",
    ) -> None:
        if not name or (kind in ("space", "table") and ":" in name):  # a colon begins their argument
            raise C3Error(f"no {kind} can be called {name!r}: a name is not empty; of a space or table it has no colon")
        if ":" not in factory:
            raise C3Error(f"the factory of {name!r} must be a string 'module:function', got {factory!r}")
        for what, several in (("modalities", modalities), ("requires", requires)):
            if isinstance(several, str):
                raise C3Error(f"{what} of {name!r} must be a tuple, not one string: ({several!r},)")
        if (kind, name) in found:
            raise C3Error(f"it registers the {kind} {name!r} twice")
        needs = tuple(requires)
        found[kind, name] = Entry(kind, name, factory, plugin, package, tuple(modalities), needs, extra, summary)

    return register


def registered(kind: str) -> dict[str, Entry]:
    """Return the entries of a kind by name."""
    return {found.name: found for found in entries() if found.kind == kind}


def entry(kind: str, name: str) -> Entry:
    """Return the entry of a kind and name. Raises a `WrongCall` with near names."""
    known = registered(kind)
    if name not in known:
        raise WrongCall(f"no {kind} is called {name!r}: {near(name, known)} `c3 plugins` lists what is installed.")
    return known[name]
