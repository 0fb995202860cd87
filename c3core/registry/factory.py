"""Make a bridge, a decoder or a tower by its registered name."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any

from c3core.contracts import Bridge, Decoder, Space, Tower
from c3core.errors import C3Error, WrongCall, near
from c3core.io.validation import require_part
from c3core.registry.discovery import entry


def load_bridge(name: str, **options: Any) -> Bridge:
    """Make a bridge by name: a preset of `c3 bridges`, or a plugin's bridge. It is not fitted yet.

    Raises `WrongCall` for an unknown name or option, as the other `load_*` functions do.

    >>> load_bridge("c3", noise_std=0.1).name
    'c3'
    """
    bridge: Bridge = _make(Bridge, "bridge", name, name, **options)
    return bridge


def load_decoder(name: str, *, space: Space | None = None, condition_dim: int | None = None, **options: Any) -> Decoder:
    """Make a decoder by name for the conditions of `space`, or of size `condition_dim`."""
    if space is not None:
        require_part("space", space, Space)
    dim = space.dim if space is not None else condition_dim
    if dim is None:
        raise WrongCall("a decoder needs the size of its conditions: give space=… or condition_dim=….")
    decoder: Decoder = _make(Decoder, "decoder", name, dim, **options)
    return decoder


def load_tower(name: str, **options: Any) -> Tower:
    """Make a tower for `c3 connect` by name."""
    tower: Tower = _make(Tower, "tower", name, **options)
    return tower


def _make(expected: type[Any], kind: str, name: str, *arguments: Any, **options: Any) -> Any:
    """Call a factory, and raise a `C3Error` if it gives another type or name: a pipeline is saved with the name."""
    made = call_factory(entry(kind, name).load(), f"{kind} {name!r}", *arguments, **options)
    require_kind(made, expected, kind, name)
    if (own := getattr(made, "name", name)) != name:
        raise C3Error(f"{kind} {name!r} says that its name is {own!r}, not the one it is registered under.")
    return made


def require_kind(thing: Any, expected: type[Any], kind: str, name: str) -> None:
    """Raise a `C3Error` if a factory returned another type than it should."""
    if not isinstance(thing, expected):
        plugin = entry(kind, name).plugin
        found = type(thing).__name__
        raise C3Error(f"the factory of {kind} {name!r} (plugin {plugin!r}) gave a {found}, not a {expected.__name__}.")


def call_factory(
    factory: Any, what: str, *arguments: Any, needed: Mapping[str, Any] = MappingProxyType({}), **options: Any
) -> Any:
    """Call a plugin's factory with `needed` options, which every such factory must take, and those of the user.

    Raises a `WrongCall` with near names for an option that it does not take, and a `C3Error` for a needed one.
    """
    free = options_taken(factory, given=len(arguments))
    if free is not None and not needed.keys() <= {*free}:
        takes = f"def {factory.__name__}(argument, *, {', '.join(needed)})"
        raise C3Error(f"the factory of {what} must take {' and '.join(needed)}: write {takes}.")
    for option in options:
        if free is not None and option not in free:
            raise WrongCall(f"{what} has no option {option!r}: {near(option, free)}")
    return factory(*arguments, **needed, **options)


def options_taken(factory: Any, *, given: int) -> list[str] | None:
    """Return the names of a factory's arguments after the first `given` ones; None if it takes any."""
    parameters = signature(factory).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    return [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_POSITIONAL][given:]
