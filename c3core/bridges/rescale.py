"""Rescale: set the length of a condition."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

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
class NoRescale(Rescale, kind="none"):
    """f: keep the length (Algorithm 1 of the C3 paper as printed, and its ImageBind code)."""

    def __call__(self, f: Tensor, statistics: FittedStatistics) -> Tensor:
        return f


@dataclass(frozen=True)
class Unit(Rescale, kind="unit"):
    """f / ‖f‖: unit length (the C3 paper's COCO code, CapDec and CLOSE)."""

    def __call__(self, f: Tensor, statistics: FittedStatistics) -> Tensor:
        return normalize(f, dim=-1)


@dataclass(frozen=True)
class Native(Rescale, kind="native", target_needs={"mean"}):
    """f / ‖f‖ times the mean raw norm of the target's encoder, as a decoder made for that encoder expects.

    The mean norm comes with the mean. It is 1 if the target's embeddings came without their norms.
    """

    def __call__(self, f: Tensor, statistics: FittedStatistics) -> Tensor:
        return normalize(f, dim=-1) * statistics.target_like(f, "norm")


RESCALES: dict[str, type[Rescale]] = {kind.kind: kind for kind in (NoRescale, Unit, Native)}
