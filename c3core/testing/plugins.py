"""The contract of a plugin as a whole, as a pytest suite. A plugin's test file subclasses it:

    from c3core.testing import PluginContract

    class TestMyPlugin(PluginContract):
        plugin = "my_plugin"

The plugin must be installed, so that its entry point is found.
"""

from __future__ import annotations

import warnings
from abc import ABC
from importlib.metadata import entry_points
from inspect import signature
from typing import ClassVar

from c3core.registry.discovery import entries
from c3core.registry.hooks import GROUP
from c3core.registry.registration import Entry
from c3core.testing.registration import imported_when_registering

CALLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # kind: the factory's positional and keyword arguments
    "space": (("argument",), ("device", "precision")),
    "decoder": (("condition_dim",), ()),
    "bridge": (("name",), ()),
    "table": (("argument",), ("folder",)),
    "published": (("name",), ()),
    "pipeline": ((), ()),
    "demo": ((), ("out", "seed")),
    "engine": (("load", "sources", "out"), ("batch_size", "actors", "workers", "shard_rows", "gpus", "quiet")),
}


class PluginContract(ABC):
    """What every plugin must do."""

    plugin: ClassVar[str]  # the name of its entry point
    heavy: ClassVar[tuple[str, ...]] = ("torch", "transformers", "diffusers", "pyarrow", "librosa", "torchvision")

    def brought(self) -> list[Entry]:
        return [found for found in entries() if found.plugin == self.plugin]

    def test_it_registers_something_without_a_warning(self) -> None:
        entries.cache_clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            brought = self.brought()
        assert not [str(one.message) for one in caught if f"plugin {self.plugin!r}" in str(one.message)]
        assert brought, f"no entry point of group {GROUP!r} is called {self.plugin!r}, or it registers nothing"

    def test_each_factory_whose_requirements_are_installed_can_be_imported(self) -> None:
        for found in self.brought():
            if not found.missing:
                assert callable(found.load()), found.name

    def test_each_factory_takes_its_arguments(self) -> None:
        for found in self.brought():
            if found.kind in CALLS and not found.missing:
                positional, named = CALLS[found.kind]
                try:
                    signature(found.load()).bind_partial(*positional, **dict.fromkeys(named))
                except TypeError as error:
                    raise AssertionError(
                        f"{found.factory} is called as ({', '.join([*positional, *named])}): {error}"
                    ) from None

    def test_registering_imports_no_heavy_library(self) -> None:
        (point,) = (one for one in entry_points(group=GROUP) if one.name == self.plugin)
        commands = {found.factory.partition(":")[0] for found in self.brought() if found.kind == "command"}
        for module in (point.module, *commands):  # `c3 --help` imports the modules of commands
            assert imported_when_registering(module, self.heavy) == []
