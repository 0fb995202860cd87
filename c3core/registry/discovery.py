"""Find plugins by their entry points. Their factories are imported at first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from c3core.errors import WrongCall, located, near, warn
from c3core.registry.hooks import GROUP, Hooks
from c3core.registry.registration import OWN, Entry, Register

# The hook of each kind: {"space": "c3_spaces", …}.
KINDS = {hook.removeprefix("c3_").removesuffix("s"): hook for hook in vars(Hooks) if hook.startswith("c3_")}


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
            warn(f"plugin {point.name!r} ({point.value}) was left out: {located(error, point.module)}")
        else:
            packages[point.name] = _package(point)
            for hook in KINDS.values() & vars(module).keys():
                if not hasattr(getattr(module, hook), f"{GROUP}_impl"):
                    warn(f"plugin {point.name!r}: {hook} does nothing without @hookimpl (from c3core import hookimpl)")
    known = set(KINDS.values())
    for hook, caller in vars(manager.hook).items():
        if hook not in known:
            names = ", ".join(repr(implementation.plugin_name) for implementation in caller.get_hookimpls())
            warn(f"plugin {names}: no hook is called {hook!r}, {near(hook, known)}")
    return manager, packages


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module.split(".")[0]


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
    new = Register(kind, module, module)
    new(name, f"{module}:{place}", modalities=modalities)
    _OWN[kind, name] = new.entries[name]
    entries.cache_clear()


@cache
def entries() -> tuple[Entry, ...]:
    """Return everything that installed plugins register, sorted by kind and name. Cached; imports no model library."""
    (manager, packages), found = _plugin_manager(), dict(_OWN)
    for kind, hook in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            plugin = implementation.plugin_name
            if plugin not in packages:  # it was left out, and pluggy before 1.7 keeps some of its hooks
                continue
            brought = Register(kind, plugin, packages[plugin])
            try:
                implementation.function(register=brought)
            except (Exception, SystemExit) as error:  # a foreign hook may raise anything
                warn(f"plugin {plugin!r} was left out of {hook}: {located(error, implementation.function.__module__)}")
                continue
            for name, entry in brought.entries.items():
                if (kind, name) in found:
                    taken = f"plugin {found[kind, name].plugin!r} has one of that name"
                    warn(f"plugin {plugin!r}: {kind} {name!r} was left out, {taken}")
                else:
                    found[kind, name] = entry
    return tuple(sorted(found.values(), key=lambda entry: (list(KINDS).index(entry.kind), entry.name)))


def registered(kind: str) -> dict[str, Entry]:
    """Return the entries of a kind by name."""
    return {found.name: found for found in entries() if found.kind == kind}


def entry(kind: str, name: str) -> Entry:
    """Return the entry of a kind and name. Raises a `WrongCall` with near names."""
    known = registered(kind)
    if name not in known:
        raise WrongCall(f"no {kind} is called {name!r}: {near(name, known)} `c3 plugins` lists what is installed.")
    return known[name]
