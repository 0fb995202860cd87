"""The hooks of a plugin. A plugin is a module, found through the entry-point group `c3core`, with some of these functions:

    from c3core import hookimpl

    @hookimpl
    def c3_spaces(register):
        register("mine", "my_package.space:load", modalities=("text", "image"), extra="my-package", requires=("my_library",))

`register` only notes names: the string `module:function` is imported when somebody asks for the thing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import pluggy

GROUP = "c3core"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Register(Protocol):
    """Notes one thing that a plugin brings.

    `factory` is "module:function". `modalities` it deals in. `requires` are the modules that must be importable, and `extra` is
    what to install when one is not: the name of an extra of c3core for our own plugins, of a package otherwise.
    """

    def __call__(
        self,
        name: str,
        factory: str,
        *,
        modalities: Iterable[str] = (),
        requires: Iterable[str] = (),
        extra: str | None = None,
        summary: str = "",
    ) -> None: ...


class Hooks:
    """What each hook registers, and how its factory is called."""

    @hookspec
    def c3_spaces(self, register: Register) -> None:
        """Spaces: `factory(argument, *, device, precision, **options) -> Space`; `load_space("name:argument")` calls it."""

    @hookspec
    def c3_bridges(self, register: Register) -> None:
        """Bridges: `factory(name, **options) -> Bridge`, with `restore(config, state)` as the class method of its class."""

    @hookspec
    def c3_decoders(self, register: Register) -> None:
        """Decoders: "module:Class", a `Decoder`; `load_decoder(name, space=…, **options)` calls `Class(space.dim, **options)`."""

    @hookspec
    def c3_towers(self, register: Register) -> None:
        """Towers that `c3 connect` joins into a space: `factory(**options) -> Tower`."""

    @hookspec
    def c3_tables(self, register: Register) -> None:
        """Tables of paired sources that recipes name: `factory(argument) -> Table`."""

    @hookspec
    def c3_pipelines(self, register: Register) -> None:
        """Pipelines that a package ships: `factory() -> Path` of the folder; `load_pipeline("plugin/name")` finds them."""
