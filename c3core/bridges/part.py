"""What the parts of a bridge have in common: each is a small frozen dataclass with a kind, options, and what it
needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from c3core.errors import C3Error, WrongCall, near

CAPDEC_STD = 0.016**0.5  # ≈ 0.1265: the noise of CapDec and of the C3 paper's COCO code, given there as a variance


@dataclass(frozen=True)
class Part:
    """One step of a bridge. Its dataclass fields are its options, as JSON values."""

    kind: ClassVar[str]
    of_each: ClassVar[frozenset[str]] = frozenset()  # what it reads of each modality's moments
    of_target: ClassVar[frozenset[str]] = frozenset()  # what it reads of the target's moments

    def config(self) -> dict[str, Any]:
        """What `made` builds it from again."""
        return {"kind": self.kind, **asdict(self)}

    def require(self, holds: bool, message: str) -> None:
        """Refuse an option out of its range."""
        if not holds:
            raise WrongCall(f"{self.kind}: {message}")


Kind = TypeVar("Kind", bound=Part)


def made(what: str, value: Kind | str | Mapping[str, Any], kinds: Mapping[str, type[Kind]]) -> Kind:
    """A part as it is, by its kind ("mean"), or by its config ({"kind": "gaussian", "std": 0.1})."""
    if isinstance(value, Part):
        if type(value) not in kinds.values():
            raise C3Error(f"{value.kind!r} is no {what}. A {what} is one of {', '.join(kinds)}.")
        return value
    if not isinstance(value, str | Mapping):
        raise C3Error(f"a {what} is a name or a mapping with its kind, got {value!r}. It is one of {', '.join(kinds)}.")
    options = {"kind": value} if isinstance(value, str) else dict(value)
    kind = str(options.pop("kind", None))
    if kind not in kinds:
        raise WrongCall(f"no {what} is called {kind!r}: {near(kind, kinds)}")
    known = [option.name for option in fields(kinds[kind])]
    for name, given in options.items():
        if name not in known:
            raise WrongCall(f"{what} {kind!r} has no option {name!r}: {near(name, known)}")
        if not isinstance(given, int | float):
            raise WrongCall(f"{what} {kind!r}: {name} must be a number, got {given!r}.")
    return kinds[kind](**options)
