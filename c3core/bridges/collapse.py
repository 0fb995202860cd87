"""Collapse: close the modality gap. Each is a map of unit embeddings (n, d) of modality m; ē and σ are the mean and the
standard deviation of a modality's embeddings, "target" is the modality that the decoder is trained on."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges.fitted import Statistics
from c3core.bridges.part import Part

_MEMORY_CHUNK = 1024  # embeddings compared with the whole memory at a time


@dataclass(frozen=True)
class Collapse(Part):
    """The first part of a bridge, the same at train and at use."""

    @abstractmethod
    def __call__(self, e: Tensor, modality: str, statistics: Statistics) -> Tensor:
        """(n, d) embeddings of `modality`, collapsed."""

    def native(self) -> Collapse:
        """The same collapse seen from the target's own frame, for a decoder that takes embeddings as they are."""
        return self


@dataclass(frozen=True)
class NoCollapse(Collapse):
    """e: the gap stays (C¹ and C²₂ of the C3 paper; CapDec, LAFITE)."""

    kind: ClassVar[str] = "none"

    def __call__(self, e: Tensor, modality: str, statistics: Statistics) -> Tensor:
        return e


@dataclass(frozen=True)
class Mean(Collapse):
    """e − ē_m: Algorithm 1 of the C3 paper (Zhang et al. 2024). Every modality's mean goes to zero."""

    kind: ClassVar[str] = "mean"
    of_each: ClassVar[frozenset[str]] = frozenset({"mean"})

    def __call__(self, e: Tensor, modality: str, statistics: Statistics) -> Tensor:
        return e - statistics.like(e, modality, "mean")

    def native(self) -> Collapse:
        return Shift()


@dataclass(frozen=True)
class Shift(Collapse):
    """e − ē_m + ē_target: mean removal seen from the target's frame, where the target's own embeddings stay as they
    are.

    CapDec's centre offset and CLOSE's mean shift are this map seen from the other side: they carry the target's
    embeddings into the source's frame while training.
    """

    kind: ClassVar[str] = "shift"
    of_each: ClassVar[frozenset[str]] = frozenset({"mean"})
    of_target: ClassVar[frozenset[str]] = frozenset({"mean"})

    def __call__(self, e: Tensor, modality: str, statistics: Statistics) -> Tensor:
        if modality == statistics.target:
            return e
        return e - statistics.like(e, modality, "mean") + statistics.target_like(e, "mean")


@dataclass(frozen=True)
class MeanStd(Collapse):
    """(e − ē_m) · σ_target / σ_m, dimension by dimension: mean and spread are aligned (TOMCap, Fonseca et al. 2025,
    which goes on to add the other modality's mean). `shift` adds ē_target. A dimension that was constant in m is not
    scaled."""

    shift: bool = False

    kind: ClassVar[str] = "mean_std"
    of_each: ClassVar[frozenset[str]] = frozenset({"mean", "variance"})
    of_target: ClassVar[frozenset[str]] = frozenset({"mean", "variance"})

    def __call__(self, e: Tensor, modality: str, statistics: Statistics) -> Tensor:
        centred = e - statistics.like(e, modality, "mean")
        if modality != statistics.target:
            scale = statistics.derived(e, (modality, "σ_target/σ"), lambda: self._scale(modality, statistics))
            centred = centred * scale
        return centred + statistics.target_like(e, "mean") if self.shift else centred

    @staticmethod
    def _scale(modality: str, statistics: Statistics) -> Tensor:
        own, target = statistics.get(modality, "variance").sqrt(), statistics.of_target("variance").sqrt()
        constant = own <= 1e-6 * own.max()
        return torch.where(constant, 1.0, target / own.masked_fill(constant, 1.0))

    def native(self) -> Collapse:
        return MeanStd(shift=True)


@dataclass(frozen=True)
class Memory(Collapse):
    """unit(softmax(e Tᵀ / temperature) T) over a memory T of `size` target embeddings; the target itself stays as it
    is.

    DeCap (Li et al. 2023), whose memory holds 500,000 captions and whose temperature is 1/100. The memory is a
    uniform sample of the target's embeddings; nothing is needed of the other modalities, so that any may come.
    """

    size: int = 50_000
    temperature: float = 0.01

    kind: ClassVar[str] = "memory"
    of_target: ClassVar[frozenset[str]] = frozenset({"sample"})

    def __post_init__(self) -> None:
        whole = isinstance(self.size, int)
        self.require(whole and self.size >= 1, f"size must be a whole number of at least 1, got {self.size}.")
        self.require(self.temperature > 0, f"temperature must be above 0, got {self.temperature}.")

    def __call__(self, e: Tensor, modality: str, statistics: Statistics) -> Tensor:
        memory = statistics.target_like(e, "sample")
        if modality == statistics.target:
            return e
        pieces = [
            normalize((part @ memory.T / self.temperature).softmax(dim=-1) @ memory, dim=-1)  # (≤ chunk, d)
            for part in torch.split(e, _MEMORY_CHUNK)  # type: ignore[no-untyped-call]
        ]
        return torch.cat(pieces)


COLLAPSES: dict[str, type[Collapse]] = {kind.kind: kind for kind in (NoCollapse, Mean, Shift, MeanStd, Memory)}
