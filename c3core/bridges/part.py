"""The base class of a bridge's parts: collapse, corrupt and rescale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Final, TypeVar

from c3core.errors import WrongCall, near

CAPDEC_STD = 0.016**0.5  # ≈ 0.1265: CapDec and the COCO code of the C3 paper give it as a variance
AUTO: Final = "auto"  # a level of noise that `Pipeline.fit` chooses


@dataclass(frozen=True)
class Part:
    """One step of a bridge. Its dataclass fields are its options, as JSON values.

    A class names its `kind`, and the moments that it reads of every modality (`needs`) and of the target.
    """

    kind: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()
    target_needs: ClassVar[frozenset[str]] = frozenset()
    may_be_auto: ClassVar[frozenset[str]] = frozenset()  # the options that may be "auto" in place of a number

    def __init_subclass__(cls, *, kind: str = "", needs: Iterable[str] = (), target_needs: Iterable[str] = ()) -> None:
        cls.kind, cls.needs, cls.target_needs = kind, frozenset(needs), frozenset(target_needs)

    def config(self) -> dict[str, Any]:
        """Return what `make_part` rebuilds the part from."""
        return {"kind": self.kind, **asdict(self)}

    def require(self, holds: bool, message: str) -> None:
        """Raise a `WrongCall` if an option is out of its range."""
        if not holds:
            raise WrongCall(f"{self.kind}: {message}")


Kind = TypeVar("Kind", bound=Part)


def make_part(what: str, value: Kind | str | Mapping[str, Any], kinds: Mapping[str, type[Kind]]) -> Kind:
    """Return a part, given as an object, a kind ("mean") or a config ({"kind": "gaussian", "std": 0.1})."""
    if isinstance(value, Part):
        if type(value) not in kinds.values():
            raise WrongCall(f"{value.kind!r} is not a {what}. Use one of {', '.join(kinds)}.")
        return value
    if not isinstance(value, str | Mapping):
        raise WrongCall(f"a {what} is a name or a mapping with its kind, got {value!r}. Use one of {', '.join(kinds)}.")
    options = {"kind": value} if isinstance(value, str) else dict(value)
    kind = str(options.pop("kind", None))
    if kind not in kinds:
        raise WrongCall(f"no {what} is called {kind!r}: {near(kind, kinds)}")
    known = [option.name for option in fields(kinds[kind])]
    for name, setting in options.items():
        if name not in known:
            raise WrongCall(f"{what} {kind!r} has no option {name!r}: {near(name, known)}")
        auto = name in kinds[kind].may_be_auto
        if not (isinstance(setting, int | float) or (auto and setting == AUTO)):
            raise WrongCall(f"{what} {kind!r}: {name} must be a number{' or auto' * auto}, got {setting!r}.")
    return kinds[kind](**options)
