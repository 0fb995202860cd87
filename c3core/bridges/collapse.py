"""Collapse: close the modality gap.

Each class maps unit embeddings e (n, d) of a modality m. ē_m and σ_m are the mean and the standard deviation of the
modality's embeddings; the target is the modality that the decoder is trained on.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges.fitted import FittedStatistics
from c3core.bridges.part import Part

_MEMORY_CHUNK = 1024  # embeddings compared with the whole memory at a time


@dataclass(frozen=True)
class Collapse(Part):
    """The first part of a bridge; the same for training and for use."""

    @abstractmethod
    def __call__(self, e: Tensor, modality: str, statistics: FittedStatistics) -> Tensor:
        """Collapse embeddings (n, d) of `modality`."""

    def native(self) -> Collapse:
        """Return the collapse that leaves the target's own embeddings as they are, for a decoder that expects those."""
        return self


@dataclass(frozen=True)
class NoCollapse(Collapse, kind="none"):
    """e: keep the gap (C¹ and C²₂ of the C3 paper; CapDec, LAFITE)."""

    def __call__(self, e: Tensor, modality: str, statistics: FittedStatistics) -> Tensor:
        return e


@dataclass(frozen=True)
class Mean(Collapse, kind="mean", needs={"mean"}):
    """e − ē_m: move every modality's mean to zero (Algorithm 1 of the C3 paper, Zhang et al. 2024)."""

    def __call__(self, e: Tensor, modality: str, statistics: FittedStatistics) -> Tensor:
        return e - statistics.like(e, modality, "mean")

    def native(self) -> Collapse:
        return Shift()


@dataclass(frozen=True)
class Shift(Collapse, kind="shift", needs={"mean"}, target_needs={"mean"}):
    """e − ē_m + ē_target: move every modality's mean to the target's; the target's embeddings do not change.

    CapDec's center offset and CLOSE's mean shift are the reverse: they move the target's embeddings to the source's
    mean while training.
    """

    def __call__(self, e: Tensor, modality: str, statistics: FittedStatistics) -> Tensor:
        if modality == statistics.target:
            return e
        return e - statistics.like(e, modality, "mean") + statistics.target_like(e, "mean")


@dataclass(frozen=True)
class MeanStd(Collapse, kind="mean_std", needs={"mean", "variance"}, target_needs={"mean", "variance"}):
    """(e − ē_m) · σ_target / σ_m per dimension: align mean and spread (TOMCap, Fonseca et al. 2025).

    `shift` adds ē_target. (TOMCap adds the other modality's mean.) A dimension that is constant in m is not scaled.
    """

    shift: bool = False

    def __call__(self, e: Tensor, modality: str, statistics: FittedStatistics) -> Tensor:
        centered = e - statistics.like(e, modality, "mean")
        if modality != statistics.target:
            scale = statistics.derived(e, (modality, "σ_target/σ"), lambda: self._scale(modality, statistics))
            centered = centered * scale
        return centered + statistics.target_like(e, "mean") if self.shift else centered

    @staticmethod
    def _scale(modality: str, statistics: FittedStatistics) -> Tensor:
        own, target = statistics.get(modality, "variance").sqrt(), statistics.of_target("variance").sqrt()
        constant = own <= 1e-6 * own.max()
        return torch.where(constant, 1.0, target / own.masked_fill(constant, 1.0))

    def native(self) -> Collapse:
        return MeanStd(shift=True)


@dataclass(frozen=True)
class Memory(Collapse, kind="memory", target_needs={"sample"}):
    """unit(softmax(e Tᵀ / temperature) T): project onto a memory T of `size` target embeddings.

    DeCap (Li et al. 2023), whose memory holds 500,000 captions and whose temperature is 1/100. The memory is a
    uniform sample of the target's embeddings. The target's embeddings do not change. Other modalities need not be
    fitted.
    """

    size: int = 50_000
    temperature: float = 0.01

    def __post_init__(self) -> None:
        self.require(
            isinstance(self.size, int) and self.size >= 1,
            f"size must be a whole number of at least 1, got {self.size}.",
        )
        self.require(self.temperature > 0, f"temperature must be above 0, got {self.temperature}.")

    def __call__(self, e: Tensor, modality: str, statistics: FittedStatistics) -> Tensor:
        memory = statistics.target_like(e, "sample")
        if modality == statistics.target:
            return e
        chunks = [
            normalize((chunk @ memory.T / self.temperature).softmax(dim=-1) @ memory, dim=-1)  # (≤ chunk, d)
            for chunk in torch.split(e, _MEMORY_CHUNK)  # type: ignore[no-untyped-call]
        ]
        return torch.cat(chunks)


COLLAPSES: dict[str, type[Collapse]] = {kind.kind: kind for kind in (NoCollapse, Mean, Shift, MeanStd, Memory)}
