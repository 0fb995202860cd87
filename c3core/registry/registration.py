"""What a plugin registers, and the function that registers it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlparse

from c3core.errors import C3Error, NotInstalled, located

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
    default: bool = False

    @property
    def missing(self) -> list[str]:
        """The required modules that are not installed. None is imported."""
        return [module for module in self.requires if not _importable(module.split(".")[0])]

    @property
    def install(self) -> str:
        """The argument of `pip install` that brings what is missing.

        A plugin that was installed from a folder is named by it: its name may be that of another package on the index.
        """
        if self.package == OWN:
            return f'"{OWN}[{self.extra}]"' if self.extra else OWN
        named = self.extra or self.package
        bare, bracket, extras = named.partition("[")
        folder = _folder_of(bare)
        return f'"{folder}{bracket}{extras}"' if folder else named

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
                f"{self.kind} {self.name!r} of plugin {self.plugin!r} cannot be loaded: {located(error, module)}."
                f" Repair or reinstall it: pip install {self.install}"
            ) from error


def _folder_of(package: str) -> str | None:
    """The folder that a package was installed from; None for one that is not installed, or came from an index."""
    try:
        origin = distribution(package).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    address = urlparse(json.loads(origin or "{}").get("url", ""))
    return unquote(address.path) if address.scheme == "file" else None


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # a module that a program made and put into sys.modules has no spec, but can be imported
        return True


class Register:
    """Registers what a plugin brings of one kind: the argument of each hook.

    `factory` is "module:function" or "module:Class". `modalities` are those that it handles. `requires` are the modules
    that it imports, and `extra` is what to install if one is missing: a package such as "my-package[gpu]", by default
    the plugin's own (for c3core's plugins: the name of an extra). `summary` is a line for `c3 plugins`. A
    `default` metric is computed if no default one is named.
    """

    def __init__(self, kind: str, plugin: str, package: str) -> None:
        self.kind, self.plugin, self.package = kind, plugin, package
        self.entries: dict[str, Entry] = {}

    def __call__(
        self,
        name: str,
        factory: str,
        *,
        modalities: Iterable[str] = (),
        requires: Iterable[str] = (),
        extra: str | None = None,
        summary: str = "",
        default: bool = False,
    ) -> None:
        kind = self.kind
        if not name or (kind in ("space", "table") and ":" in name):  # a colon begins their argument
            raise C3Error(f"no {kind} can be called {name!r}: a name is not empty; of a space or table it has no colon")
        if ":" not in factory:
            raise C3Error(f"the factory of {name!r} must be a string 'module:function', got {factory!r}")
        for what, several in (("modalities", modalities), ("requires", requires)):
            if isinstance(several, str):
                raise C3Error(f"{what} of {name!r} must be a tuple, not one string: ({several!r},)")
        if name in self.entries:
            raise C3Error(f"it registers the {kind} {name!r} twice")
        more = tuple(modalities), tuple(requires), extra, summary, default
        self.entries[name] = Entry(kind, name, factory, self.plugin, self.package, *more)
