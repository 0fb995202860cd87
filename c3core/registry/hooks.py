"""The hooks that a plugin implements. The entry-point group `c3core` names the plugin's module:

    from c3core import hookimpl

    @hookimpl
    def c3_spaces(register):
        register("mine", "my_package.space:load", modalities=("text", "image"), requires=("my_library",))

`register` stores only the string "module:function", which is imported at first use.
"""

from __future__ import annotations

import pluggy

from c3core.registry.registration import Register

GROUP = "c3core"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Hooks:
    """The hooks, and how each factory is called."""

    @hookspec
    def c3_spaces(self, register: Register) -> None:
        """Spaces: `factory(argument, *, device, precision, **options)`; `load_space("name:argument")` calls it."""

    @hookspec
    def c3_bridges(self, register: Register) -> None:
        """Bridges: "module:Class"; `load_bridge(name, **options)` calls `Class(name, **options)`. Or "module:function"
        with these arguments that returns a `C3Bridge`.
        """

    @hookspec
    def c3_decoders(self, register: Register) -> None:
        """Decoders: "module:Class"; `load_decoder(name, space=…, **options)` calls `Class(space.dim, **options)`."""

    @hookspec
    def c3_towers(self, register: Register) -> None:
        """Towers for `c3 connect`: "module:Class"; `load_tower(name, **options)` calls `Class(**options)`."""

    @hookspec
    def c3_tables(self, register: Register) -> None:
        """Tables of pairs: `factory(argument, *, folder) -> Table`; `load_table("name:argument")` calls it.

        Relative paths inside the argument start at `folder`: a recipe's, or the current one. "name:argument:column" is
        one column of the table, so an argument does not end in a colon and a word.
        """

    @hookspec
    def c3_metrics(self, register: Register) -> None:
        """Metrics: `factory(inputs, outputs, references) -> {figure: float}`; `c3 evaluate --metric NAME` calls it with
        a list of references for each output. `modalities` are those of the inputs (none: any), then the outputs'.
        With `default=True` it needs no name.
        """

    @hookspec
    def c3_pipelines(self, register: Register) -> None:
        """Pipelines that a package ships: `factory() -> Path` of the folder; `load_pipeline(name)` calls it."""

    @hookspec
    def c3_commands(self, register: Register) -> None:
        """Commands of `c3`: the factory is the function, with arguments as typer has them. `c3 --help` imports its
        module, which must be light: import what the work needs inside of the function.
        """

    @hookspec
    def c3_engines(self, register: Register) -> None:
        """Engines of `c3 embed --engine NAME`: `factory(load, sources, out, *, batch_size, actors, workers, shard_rows,
        gpus, quiet) -> Store`. `load()` makes the encoder and `sources()` a new stream, wherever they are called.
        """
