"""The hooks of a plugin: a module that the entry-point group `c3core` names, with some of these functions.

    from c3core import hookimpl

    @hookimpl
    def c3_spaces(register):
        register("mine", "my_package.space:load", modalities=("text", "image"), requires=("my_library",))

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

    `factory` is "module:function". `modalities` are those it deals in. `requires` are the modules that must be
    importable, and `extra` says what to install when one is not: a package, such as "my-package[gpu]" (in c3core's own
    plugins the name of an extra). Without it, the package that the plugin came in.
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
        """Spaces: `factory(argument, *, device, precision, **options)`; `load_space("name:argument")` calls it."""

    @hookspec
    def c3_bridges(self, register: Register) -> None:
        """Bridges: "module:Class", called as `Class(name, **options)`, with the class method `restore(config, state)`;
        or a function of these arguments that gives a `C3Bridge`, which restores itself.
        """

    @hookspec
    def c3_decoders(self, register: Register) -> None:
        """Decoders: "module:Class"; `load_decoder(name, space=…, **options)` calls `Class(space.dim, **options)`."""

    @hookspec
    def c3_towers(self, register: Register) -> None:
        """Towers that `c3 connect` joins into a space: `factory(**options) -> Tower`."""

    @hookspec
    def c3_tables(self, register: Register) -> None:
        """Tables of paired sources that recipes name: `factory(argument) -> Table`."""

    @hookspec
    def c3_metrics(self, register: Register) -> None:
        """Metrics beyond the core's: `factory(inputs, outputs, references) -> {figure: float}`, with a list of
        references for each output; `c3 evaluate --metric NAME` calls it. `modalities` are those of the inputs that it
        takes (any, if it names none), then that of the outputs.
        """

    @hookspec
    def c3_pipelines(self, register: Register) -> None:
        """Pipelines that a package ships: `factory() -> Path` of the folder; `load_pipeline(name)` finds them."""

    @hookspec
    def c3_demos(self, register: Register) -> None:
        """Demonstrations: `factory(*, out, seed)` shows a task at work; `c3 demo --task NAME` calls it."""
