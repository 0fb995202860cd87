"""Loading things by name: spaces, bridges, decoders, towers, tables and pipelines."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from c3core.errors import C3Error, WrongCall, near
from c3core.registry import entry, registered

if TYPE_CHECKING:
    from c3core.contracts import Bridge, Decoder, Space
    from c3core.pipeline import Pipeline
    from c3core.tables import Table
    from c3core.towers import Tower

Thing = TypeVar("Thing")
Named = TypeVar("Named", "Bridge", "Decoder")


def load_space(name: str | Path, *, device: str = "auto", precision: str = "float32", **options: Any) -> Space:
    """A space by name, or by the folder that `c3 connect` wrote. Encoders load when first used.

    In "clip:ViT-B-32/openai", what stands behind the colon is the plugin's to read.

    >>> load_space("playground").modalities
    ('text', 'image', 'video', 'audio')
    """
    name = str(name)
    if os.path.isfile(Path(name) / "space.json"):
        from c3core.connected import load_connected

        connected: Space = _call(load_connected, f"space {name!r}", name, device=device, precision=precision, **options)
        return connected
    prefix, _, argument = name.partition(":")
    known = registered("space")
    if prefix not in known:
        if os.path.isdir(name):
            from c3core.manifest import unfinished

            if unfinished(Path(name)):
                raise WrongCall(f"{name} holds a training that is not finished. The same `c3 connect` again goes on with it.")
            raise WrongCall(f"{name} is a folder without a space.json. `c3 connect` writes such a folder.")
        raise WrongCall(f"no space is called {name!r}, and no such folder: {near(prefix, known)}")
    space: Space = _call(entry("space", prefix).load(), name, argument, device=device, precision=precision, **options)
    _of_kind(space, "Space", "space", prefix)
    if space.spec.partition(":")[0] != prefix:  # a pipeline would be saved with a name that loads another space, or none
        raise C3Error(f"space {prefix!r} says that its spec is {space.spec!r}: it must begin with the name it is registered under.")
    return space


def load_bridge(name: str, **options: Any) -> Bridge:
    """A bridge by name: a preset of `c3 bridges`, with some of its parts set otherwise, or a plugin's.

    >>> load_bridge("c3", noise_std=0.1).name
    'c3'
    """
    bridge: Bridge = _call(entry("bridge", name).load(), f"bridge {name!r}", name, **options)
    return _named(_of_kind(bridge, "Bridge", "bridge", name), "bridge", name)


def load_decoder(name: str, *, space: Space | None = None, condition_dim: int | None = None, **options: Any) -> Decoder:
    """A decoder by name for the conditions of `space` (or of size `condition_dim`); `options` are the decoder's own."""
    dim = space.dim if space is not None else condition_dim
    if dim is None:
        raise WrongCall("a decoder needs the size of its conditions: give space=… or condition_dim=….")
    if dim < 1:
        raise WrongCall(f"condition_dim must be at least 1, got {dim}.")
    decoder: Decoder = _call(entry("decoder", name).load(), f"decoder {name!r}", dim, **options)
    _named(_of_kind(decoder, "Decoder", "decoder", name), "decoder", name)
    decoder.given = {option: value for option, value in options.items() if option != "device"}  # a run may go on elsewhere
    return decoder


def load_tower(name: str, **options: Any) -> Tower:
    """A tower for `c3 connect` by name; `options` are the tower's own."""
    tower: Tower = _call(entry("tower", name).load(), f"tower {name!r}", **options)
    return _of_kind(tower, "Tower", "tower", name)


def load_table(name: str, *, folder: str | Path = "", root: str | Path | None = None) -> Table:
    """A table of paired sources: a CSV file (in `folder`), or `plugin:argument` for one that a plugin makes.

    Paths in a CSV are relative to it, or to `root`.
    """
    from c3core.tables import read_table

    prefix, colon, argument = name.partition(":")
    if colon and prefix in registered("table"):
        table: Table = _call(entry("table", prefix).load(), f"table {name!r}", argument)
        return _of_kind(table, "Table", "table", prefix)
    return read_table(Path(folder) / name, root=root)


def load_pipeline(name: str | Path, *, device: str = "auto", precision: str = "float32", space: Space | None = None) -> Pipeline:
    """A pipeline by its folder, or by the name of one that a plugin ships.

    `space` stands in for the one that it was saved with.
    """
    from c3core.pipeline import Pipeline

    return Pipeline.load(pipeline_folder(name), device=device, precision=precision, space=space)


def pipeline_folder(name: str | Path, *, also: Iterable[str] = ()) -> Path:
    """The folder of a pipeline: `name` itself, or that of one that a plugin ships under this name.

    `also` are names that the caller knows of, for the hint.
    """
    if os.path.exists(name):
        return Path(name)
    shipped = registered("pipeline")
    if str(name) not in shipped:
        hint = f"{near(str(name), [*shipped, *also])} `c3 fit` writes one."
        raise WrongCall(f"no pipeline at {name}: there is no such folder, and no pipeline of that name: {hint}")
    folder: Path = entry("pipeline", str(name)).load()()
    return folder


def _of_kind(thing: Thing, type_name: str, kind: str, name: str) -> Thing:
    """What a factory gave, if it is of the type that it should be."""
    import c3core

    if not isinstance(thing, getattr(c3core, type_name)):
        plugin = entry(kind, name).plugin
        raise C3Error(f"the factory of {kind} {name!r} (plugin {plugin!r}) gave a {type(thing).__name__}, not a {type_name}.")
    return thing


def _named(thing: Named, kind: str, name: str) -> Named:
    """It is saved under its own name, and would be loaded as whatever is registered under that one."""
    if thing.name != name:
        raise C3Error(f"{kind} {name!r} says that its name is {thing.name!r}: a {kind} must have the name it is registered under.")
    return thing


def _call(factory: Any, what: str, *arguments: Any, **options: Any) -> Any:
    """Call a plugin's factory; an option that it does not take becomes a `C3Error` with near names."""
    free = options_taken(factory, given=len(arguments))
    for option in options:
        if free is not None and option not in free:
            raise WrongCall(f"{what} has no option {option!r}: {near(option, free)}")
    return factory(*arguments, **options)


def options_taken(factory: Any, *, given: int) -> list[str] | None:
    """The names of the arguments that a factory takes after the `given` first ones; None if it takes any."""
    import inspect

    parameters = inspect.signature(factory).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    return [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_POSITIONAL][given:]
