"""Corrupt: noise on collapsed embeddings f (n, d) while training, so that the decoder bears the alignment noise at use.

Noise comes from the given generator alone, drawn on the generator's device in float32: a CPU generator gives the same
noise whatever the device and dtype of the embeddings.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges.fitted import Statistics
from c3core.bridges.part import CAPDEC_STD, Part
from c3core.errors import C3Error


@dataclass(frozen=True)
class Corrupt(Part):
    """The second part of a bridge, at train only."""

    @abstractmethod
    def __call__(self, f: Tensor, modality: str, statistics: Statistics, generator: torch.Generator | None) -> Tensor:
        """(n, d) collapsed embeddings of `modality`, corrupted."""


def draw(f: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal noise of the shape, dtype and device of `f`."""
    device = generator.device if generator is not None else "cpu"
    return torch.randn(f.shape, generator=generator, device=device).to(f)


@dataclass(frozen=True)
class NoCorrupt(Corrupt):
    """f: no noise (C¹ and C²₁ of the C3 paper)."""

    kind: ClassVar[str] = "none"

    def __call__(self, f: Tensor, modality: str, statistics: Statistics, generator: torch.Generator | None) -> Tensor:
        return f


@dataclass(frozen=True)
class _Noise(Corrupt):
    std: float = CAPDEC_STD

    def __post_init__(self) -> None:
        self.require(0 <= self.std < float("inf"), f"std must be a number of at least 0, got {self.std}.")


@dataclass(frozen=True)
class Gaussian(_Noise):
    """f + ε, ε ~ N(0, std² I): Algorithm 1 of the C3 paper; CapDec (Nukrai et al. 2022), whose variance is 0.016."""

    kind: ClassVar[str] = "gaussian"

    def __call__(self, f: Tensor, modality: str, statistics: Statistics, generator: torch.Generator | None) -> Tensor:
        return f + self.std * draw(f, generator)


@dataclass(frozen=True)
class Span(_Noise):
    """f + ε − (ε · ĝ) ĝ: gaussian noise without its component along the gap g between the modality and another (C3
    paper, Appendix H and Table 7). With several other modalities the span of all their gaps is removed."""

    kind: ClassVar[str] = "span"
    of_each: ClassVar[frozenset[str]] = frozenset({"mean"})

    def __call__(self, f: Tensor, modality: str, statistics: Statistics, generator: torch.Generator | None) -> Tensor:
        gaps = statistics.derived(f, (modality, "gap directions"), lambda: self._gaps(modality, statistics))  # (g, d)
        noise = self.std * draw(f, generator)
        return f + noise - (noise @ gaps.T) @ gaps

    @staticmethod
    def _gaps(modality: str, statistics: Statistics) -> Tensor:
        """An orthonormal basis (g, d) of the gaps to the other modalities."""
        own = statistics.get(modality, "mean")
        others = [statistics.get(other, "mean") for other in statistics.modalities if other != modality]
        if not others:
            raise C3Error(
                f"span noise needs the gap to another modality, and the bridge knows {modality!r} alone."
                " Add one: bridge.extend({modality: embeddings})"
            )
        _, length, directions = torch.linalg.svd(torch.stack(others) - own, full_matrices=False)
        basis: Tensor = directions[length > 1e-6 * length.max()]
        return basis


@dataclass(frozen=True)
class Covariance(_Noise):
    """f + ε, ε ~ N(0, Σ · std² d / tr Σ): noise in the shape of the target's covariance Σ, of mean variance std² a
    dimension.

    After CLOSE (Gu et al. 2023), which takes the covariance of paired differences; that of the target needs no pairs.
    """

    kind: ClassVar[str] = "covariance"
    of_target: ClassVar[frozenset[str]] = frozenset({"covariance"})

    def __call__(self, f: Tensor, modality: str, statistics: Statistics, generator: torch.Generator | None) -> Tensor:
        root = statistics.derived(f, "covariance root", lambda: self._root(statistics.of_target("covariance")))
        return f + self.std * draw(f, generator) @ root

    @staticmethod
    def _root(covariance: Tensor) -> Tensor:
        """(d, d) the symmetric root of Σ d / tr Σ: Σ may be singular, and no sign of an eigenvector matters."""
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp_min(0)
        if not values.any():
            raise C3Error("the target's embeddings are all the same: their covariance gives noise no shape.")
        root: Tensor = (vectors * (values / values.mean()).sqrt()) @ vectors.T
        return root


@dataclass(frozen=True)
class Lafite(Corrupt):
    """normalise((1 − level) · f + level · ‖f‖ · ε / ‖ε‖), ε ~ N(0, I): a mix with a random direction.

    LAFITE_G (Zhou et al. 2022), with level 0.75 for its language-free model and 0.1 for its text branch. On unit f,
    as there, ‖f‖ is 1; it keeps the mix the same for embeddings that a collapse has shortened.
    """

    level: float = 0.75

    kind: ClassVar[str] = "lafite"

    def __post_init__(self) -> None:
        self.require(0 <= self.level <= 1, f"level must lie between 0 and 1, got {self.level}.")

    def __call__(self, f: Tensor, modality: str, statistics: Statistics, generator: torch.Generator | None) -> Tensor:
        direction = normalize(draw(f, generator), dim=-1)
        return normalize((1 - self.level) * f + self.level * f.norm(dim=-1, keepdim=True) * direction, dim=-1)


CORRUPTS: dict[str, type[Corrupt]] = {kind.kind: kind for kind in (NoCorrupt, Gaussian, Span, Covariance, Lafite)}
