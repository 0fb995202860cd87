"""Pairs: supervised training, where a source of one modality goes with a target of the decoder's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from c3core.errors import WrongCall


@dataclass(frozen=True)
class Pairs:
    """`source[i]`, of `modality`, goes with `target[i]`, of the decoder's modality.

    Photos with captions train a ClipCap; captions with other captions of the same photo a WS-ClipCap-Multi. `item[i]`
    says which pairs belong together: all of them are for training, or all are held out. By default those of one source
    do.

    >>> Pairs(source=["a dog runs"], modality="text", target=["a running dog"]).modality
    'text'
    """

    source: Sequence[Any]
    modality: str
    target: Sequence[Any]
    item: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        if len(self.source) != len(self.target):
            raise WrongCall(f"pairs need as many sources as targets; got {len(self.source)} and {len(self.target)}.")
        numbers = getattr(self.item, "tolist", None)
        if numbers is not None:  # of an array or a tensor
            object.__setattr__(self, "item", numbers())
        if self.item is not None and len(self.item) != len(self.source):
            raise WrongCall(f"pairs need as many items as sources; got {len(self.item)} and {len(self.source)}.")
