"""The contract of a plugin as a whole, as a pytest suite. A plugin's test file subclasses it:

    from c3core.testing import PluginContract

    class TestMyPlugin(PluginContract):
        plugin = "my_plugin"

The plugin must be installed, so that its entry point is found.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from abc import ABC
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from inspect import signature
from typing import ClassVar

from c3core.errors import C3Error
from c3core.registry.discovery import entries
from c3core.registry.hooks import GROUP
from c3core.registry.registration import Entry

CALLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # kind: the factory's positional and keyword arguments
    "space": (("argument",), ("device", "precision")),
    "decoder": (("condition_dim",), ()),
    "bridge": (("name",), ()),
    "table": (("argument",), ("folder",)),
    "pipeline": ((), ()),
    "engine": (("load", "sources", "out"), ("batch_size", "actors", "workers", "shard_rows", "gpus", "quiet")),
}


class PluginContract(ABC):
    """What every plugin must do."""

    plugin: ClassVar[str]  # the name of its entry point
    heavy: ClassVar[tuple[str, ...]] = (
        "torch", "torchvision", "transformers", "diffusers", "open_clip", "timm", "pyarrow", "pydantic", "librosa"
    )  # fmt: skip

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

    def test_a_decoder_says_the_name_and_the_modality_that_it_is_registered_with(self) -> None:
        for found in self.brought():
            if found.kind == "decoder" and not found.missing:
                decoder = found.load()
                assert decoder.name == found.name, "a pipeline is saved with this name, and would not load"
                assert decoder.modality in (found.modalities or [decoder.modality])

    def test_a_space_or_tower_has_the_modalities_that_it_is_registered_with(self) -> None:
        for found in self.brought():
            own = set() if found.missing else modalities_of(found)
            assert own in (set(), {*found.modalities}), f"{found.kind} {found.name!r} has {', '.join(sorted(own))}"

    def test_registering_imports_no_heavy_library(self) -> None:
        (point,) = (one for one in entry_points(group=GROUP) if one.name == self.plugin)
        commands = {found.factory.partition(":")[0] for found in self.brought() if found.kind == "command"}
        for module in (point.module, *commands):  # `c3 --help` imports the modules of commands
            assert imported_when_registering(module, self.heavy) == []


def modalities_of(found: Entry) -> set[str]:
    """Return the modalities of a space or tower, as it says itself; none of a space that is not made by its name."""
    if found.kind == "space":
        with suppress(C3Error):
            return {*found.load()("", device="cpu", precision="float32").modalities}
    return {modality} if found.kind == "tower" and (modality := getattr(found.load(), "modality", None)) else set()


REGISTER = """
import importlib, sys
module = importlib.import_module(sys.argv[1])
for name in dir(module):
    if name.startswith("c3_") and callable(getattr(module, name)):
        getattr(module, name)(register=lambda *names, **options: None)
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def imported_when_registering(module: str, heavy: Sequence[str]) -> list[str]:
    """Return the `heavy` libraries that a new interpreter has imported after it ran a plugin's module and hooks."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", REGISTER, module, *heavy]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()
