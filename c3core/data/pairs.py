"""Pairs for supervised training: a source of one modality and a target of the decoder's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from c3core.errors import WrongCall
from c3core.io.validation import by_position


@dataclass(frozen=True, repr=False)
class Pairs:
    """Sources of a modality with their targets: `source[i]` goes with `target[i]`, by position.

    Photos with captions train a ClipCap; captions with other captions of the same photo train a WS-ClipCap-Multi. Pairs
    with equal `item`s are either all trained on or all held out; by default the sources are the items. With `noise`
    false the bridge adds no noise to the sources. Each of the others is a list, an array, a pandas Series or the like.
    Raises `WrongCall` if their lengths differ.

    >>> Pairs(source=["a dog runs"], modality="text", target=["a running dog"]).modality
    'text'
    """

    source: Sequence[Any]
    modality: str
    target: Sequence[Any]
    item: Sequence[Any] | None = None
    noise: bool = True

    def __repr__(self) -> str:
        return f"Pairs({len(self.source)} of {self.modality} with their targets)"

    def __post_init__(self) -> None:
        for name in ("source", "target", "item"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, by_position(given, f"the {name}s of pairs"))
        for name, given in (("targets", self.target), ("items", self.item)):
            if given is not None and len(given) != len(self.source):
                raise WrongCall(f"pairs need as many {name} as sources; got {len(given)} and {len(self.source)}.")
