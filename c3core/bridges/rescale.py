"""Rescale: set the length of a condition."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges.fitted import FittedStatistics
from c3core.bridges.part import Part


@dataclass(frozen=True)
class Rescale(Part):
    """The last part of a bridge; the same for training and for use."""

    @abstractmethod
    def __call__(self, f: Tensor, statistics: FittedStatistics) -> Tensor:
        """Set the length of conditions (n, d)."""


@dataclass(frozen=True)
class NoRescale(Rescale):
    """f: keep the length (Algorithm 1 of the C3 paper as printed, and its ImageBind code)."""

    kind: ClassVar[str] = "none"

    def __call__(self, f: Tensor, statistics: FittedStatistics) -> Tensor:
        return f


@dataclass(frozen=True)
class Unit(Rescale):
    """f / ‖f‖: unit length (the C3 paper's COCO code, CapDec and CLOSE)."""

    kind: ClassVar[str] = "unit"

    def __call__(self, f: Tensor, statistics: FittedStatistics) -> Tensor:
        return normalize(f, dim=-1)


@dataclass(frozen=True)
class Native(Rescale):
    """f / ‖f‖ times the mean raw norm of the target's encoder, as a decoder made for that encoder expects.

    The mean norm is 1 if the target's embeddings came without their norms.
    """

    kind: ClassVar[str] = "native"
    target_needs: ClassVar[frozenset[str]] = frozenset({"mean"})  # the mean norm comes with it

    def __call__(self, f: Tensor, statistics: FittedStatistics) -> Tensor:
        return normalize(f, dim=-1) * statistics.target_like(f, "norm")


RESCALES: dict[str, type[Rescale]] = {kind.kind: kind for kind in (NoRescale, Unit, Native)}
