"""Corrupt: add noise to collapsed embeddings f (n, d) while training.

The decoder learns to tolerate the misalignment between modalities that it meets at use.

Noise is drawn from the given generator, on its device, in float32. So a CPU generator gives the same noise for any
device and dtype of the embeddings.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges.fitted import FittedStatistics
from c3core.bridges.part import AUTO, CAPDEC_STD, Part
from c3core.errors import C3Error, WrongCall

Generator = torch.Generator | None


@dataclass(frozen=True)
class Corrupt(Part):
    """The second part of a bridge; only for training."""

    @abstractmethod
    def __call__(self, f: Tensor, modality: str, statistics: FittedStatistics, generator: Generator) -> Tensor:
        """Add noise to collapsed embeddings (n, d) of `modality`."""


def draw(f: Tensor, generator: Generator) -> Tensor:
    """Return standard normal noise of the shape, dtype and device of `f`."""
    device = generator.device if generator is not None else "cpu"
    return torch.randn(f.shape, generator=generator, device=device).to(f)


@dataclass(frozen=True)
class NoCorrupt(Corrupt, kind="none"):
    """f: add no noise (C¹ and C²₁ of the C3 paper)."""

    def __call__(self, f: Tensor, modality: str, statistics: FittedStatistics, generator: Generator) -> Tensor:
        return f


@dataclass(frozen=True)
class Noise(Corrupt):
    """Noise of a standard deviation per dimension: a number, or "auto", which `Pipeline.fit` replaces by one.

    Until then, and in a bridge that is fitted without a pipeline, "auto" is the 0.1265 of CapDec and the C3 paper.
    """

    std: float | Literal["auto"] = AUTO

    may_be_auto: ClassVar[frozenset[str]] = frozenset({"std"})

    def __post_init__(self) -> None:
        known = self.std == AUTO or (not isinstance(self.std, str) and 0 <= self.std < float("inf"))
        self.require(known, f"std must be a number of at least 0, got {self.std}.")

    @property
    def level(self) -> float:
        """The standard deviation as a number."""
        return CAPDEC_STD if isinstance(self.std, str) else self.std


@dataclass(frozen=True)
class Gaussian(Noise, kind="gaussian"):
    """f + ε, ε ~ N(0, std² I): Algorithm 1 of the C3 paper; CapDec (Nukrai et al. 2022), with a variance of 0.016."""

    def __call__(self, f: Tensor, modality: str, statistics: FittedStatistics, generator: Generator) -> Tensor:
        return f + self.level * draw(f, generator)


@dataclass(frozen=True)
class Span(Noise, kind="span", needs={"mean"}):
    """f + ε − (ε · ĝ) ĝ: Gaussian noise without its component along the gap g to another modality.

    C3 paper, Appendix H and Table 7. With several other modalities, the span of all gaps is removed.
    """

    def __call__(self, f: Tensor, modality: str, statistics: FittedStatistics, generator: Generator) -> Tensor:
        gaps = statistics.derived(f, (modality, "gap directions"), lambda: self._gaps(modality, statistics))  # (g, d)
        noise = self.level * draw(f, generator)
        return f + noise - (noise @ gaps.T) @ gaps

    @staticmethod
    def _gaps(modality: str, statistics: FittedStatistics) -> Tensor:
        """Return an orthonormal basis (g, d) of the gaps to the other modalities."""
        own = statistics.get(modality, "mean")
        others = [statistics.get(other, "mean") for other in statistics.modalities if other != modality]
        if not others:
            raise WrongCall(f"span noise needs the gap to another modality than {modality!r}. Extend it with one.")
        _, length, directions = torch.linalg.svd(torch.stack(others) - own, full_matrices=False)
        basis: Tensor = directions[length > 1e-6 * length.max()]
        return basis


@dataclass(frozen=True)
class Covariance(Noise, kind="covariance", target_needs={"covariance"}):
    """f + ε, ε ~ N(0, Σ · std² d / tr Σ): noise shaped as the target's covariance Σ, with a mean variance of std².

    CLOSE (Gu et al. 2023) uses the covariance of paired differences. The target's covariance needs no pairs.
    """

    def __call__(self, f: Tensor, modality: str, statistics: FittedStatistics, generator: Generator) -> Tensor:
        root = statistics.derived(f, "covariance root", lambda: self._root(statistics.of_target("covariance")))
        return f + self.level * draw(f, generator) @ root

    @staticmethod
    def _root(covariance: Tensor) -> Tensor:
        """Return the symmetric root (d, d) of Σ d / tr Σ. Σ may be singular; signs of eigenvectors do not matter."""
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp_min(0)
        if not values.any():
            raise C3Error("the target's embeddings are all equal, so they have no covariance. Use other noise.")
        root: Tensor = (vectors * (values / values.mean()).sqrt()) @ vectors.T
        return root


@dataclass(frozen=True)
class Lafite(Corrupt, kind="lafite"):
    """unit((1 − level) · f + level · ‖f‖ · ε / ‖ε‖), ε ~ N(0, I): mix with a random direction.

    LAFITE_G (Zhou et al. 2022), with level 0.75 for its language-free model and 0.1 for its text branch. The factor
    ‖f‖, which is 1 there, keeps the mix equal for embeddings that a collapse has shortened.
    """

    level: float = 0.75

    def __post_init__(self) -> None:
        self.require(0 <= self.level <= 1, f"level must lie between 0 and 1, got {self.level}.")

    def __call__(self, f: Tensor, modality: str, statistics: FittedStatistics, generator: Generator) -> Tensor:
        direction = normalize(draw(f, generator), dim=-1)
        return normalize((1 - self.level) * f + self.level * f.norm(dim=-1, keepdim=True) * direction, dim=-1)


CORRUPTS: dict[str, type[Corrupt]] = {kind.kind: kind for kind in (NoCorrupt, Gaussian, Span, Covariance, Lafite)}
