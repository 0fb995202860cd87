"""Pairs: supervised training, where a source of one modality goes with a target of the decoder's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from c3core.errors import C3Error


@dataclass(frozen=True)
class Pairs:
    """`source[i]`, of `modality`, goes with `target[i]`, of the decoder's modality.

    Photos with captions train a ClipCap; captions with other captions of the same photo a WS-ClipCap-Multi.

    >>> Pairs(source=["a dog runs"], modality="text", target=["a running dog"]).modality
    'text'
    """

    source: Sequence[Any]
    modality: str
    target: Sequence[Any]

    def __post_init__(self) -> None:
        if len(self.source) != len(self.target):
            raise C3Error(f"pairs need as many sources as targets; got {len(self.source)} and {len(self.target)}.")
