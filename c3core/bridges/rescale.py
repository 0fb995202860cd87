"""Rescale: the length of a condition. The last part of a bridge, the same at train and at use."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges.fitted import Statistics
from c3core.bridges.part import Part


@dataclass(frozen=True)
class Rescale(Part):
    """The last part of a bridge."""

    @abstractmethod
    def __call__(self, f: Tensor, statistics: Statistics) -> Tensor:
        """(n, d) conditions of the right length."""


@dataclass(frozen=True)
class NoRescale(Rescale):
    """f: Algorithm 1 of the C3 paper as printed, and its ImageBind code."""

    kind: ClassVar[str] = "none"

    def __call__(self, f: Tensor, statistics: Statistics) -> Tensor:
        return f


@dataclass(frozen=True)
class Unit(Rescale):
    """f / ‖f‖: the C3 paper's COCO code, CapDec and CLOSE, at train and at use."""

    kind: ClassVar[str] = "unit"

    def __call__(self, f: Tensor, statistics: Statistics) -> Tensor:
        return normalize(f, dim=-1)


@dataclass(frozen=True)
class Native(Rescale):
    """f / ‖f‖ · the mean raw norm of the target's encoder: the scale that a decoder made for that encoder expects.

    The mean norm is 1 if the target's embeddings came without their norms.
    """

    kind: ClassVar[str] = "native"
    of_target: ClassVar[frozenset[str]] = frozenset({"mean"})  # the mean norm comes along with the mean

    def __call__(self, f: Tensor, statistics: Statistics) -> Tensor:
        return normalize(f, dim=-1) * statistics.target_like(f, "norm")


RESCALES: dict[str, type[Rescale]] = {kind.kind: kind for kind in (NoRescale, Unit, Native)}
