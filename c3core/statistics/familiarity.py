"""Tell items that are unlike those that a modality was fitted on, by where their embeddings lie.

Encoders map what they do not know near to what they know, so that one foreign item can hardly be told from the others.
But foreign items lie further outside of the main directions of the known ones, and several of them show that together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file
from torch import Tensor

from c3core.errors import CorruptFile, library_errors, warn
from c3core.statistics.moments import Moments

SAMPLE = 4_000  # known items that are looked at
LEAST = 1.0  # standard deviations that unlike items lie further off on average
CERTAIN = 3.0  # standard errors of that average


class Familiarity:
    """The main directions of the embeddings (n, d) of known items, and how far those lie outside of them.

    `mean` is (d,), `directions` (d, d / 4) orthonormal, found on one half of the items. `center` and `spread` are the
    mean and the standard deviation of the log of the squared distance of the other half.
    """

    def __init__(self, mean: Tensor, directions: Tensor, center: float, spread: float) -> None:
        self.mean, self.directions, self.center, self.spread = mean, directions, center, spread

    @classmethod
    def of(cls, embeddings: Any) -> Self | None:
        """The familiarity of a tensor, batches or a store of embeddings; None if there are fewer than dimensions.

        >>> Familiarity.of(torch.eye(8)[:4]) is None
        True
        """
        rows = Moments.of(embeddings, {"sample"}, sample_size=SAMPLE).sample
        if len(rows) < rows.shape[1]:
            return None
        known, others = rows[::2].double(), rows[1::2]
        mean = known.mean(0)
        centered = known - mean
        directions = torch.linalg.eigh(centered.T @ centered)[1][:, -max(1, rows.shape[1] // 4) :]
        found = cls(mean.float(), directions.half(), 0.0, 1.0)  # half precision: a small file
        distances = found.distances(others)
        found.center, found.spread = distances.mean().item(), max(distances.std().item(), 1e-6)
        return found

    def distances(self, embeddings: Tensor) -> Tensor:
        """How far embeddings (n, d) lie outside of the main directions (n,), in standard deviations of known items."""
        centered = embeddings.detach().cpu().double() - self.mean.double()
        along = centered @ self.directions.double()
        outside = (centered.square().sum(1) - along.square().sum(1)).clamp_min(1e-12)
        return (outside.log() - self.center) / self.spread

    def state(self) -> dict[str, Tensor]:
        """Tensors for safetensors."""
        scale = torch.tensor([self.center, self.spread], dtype=torch.float64)
        return {"mean": self.mean, "directions": self.directions.contiguous(), "scale": scale}

    @classmethod
    def restore(cls, state: Mapping[str, Tensor]) -> Self:
        """Return what `state` describes."""
        center, spread = state["scale"].tolist()
        return cls(state["mean"], state["directions"], center, spread)


class ForeignCheck:
    """Counts the items of one run, and tells at its end whether they are unlike the known ones."""

    def __init__(self, known: Familiarity | None) -> None:
        self.known, self.count, self.total = known, 0, 0.0
        self.reasons: list[str] = []

    def add(self, embeddings: Tensor, reasons: Iterable[str] = ()) -> Self:
        """Add embeddings (n, d), and for those items that the encoder finds unlike all it knows the reasons."""
        self.count += len(embeddings)
        self.reasons += reasons
        if self.known is not None and len(embeddings):
            self.total += self.known.distances(embeddings).sum().item()
        return self

    @property
    def found(self) -> bool:
        """Whether the items lie further off on average than known ones do, or the encoder found one unlike.

        >>> known = Familiarity.of(torch.randn(400, 8, generator=torch.Generator().manual_seed(0)))
        >>> own, foreign = (k * torch.randn(50, 8, generator=torch.Generator().manual_seed(1)) for k in (1, 3))
        >>> ForeignCheck(known).add(own).found, ForeignCheck(known).add(foreign).found
        (False, True)
        """
        far = bool(self.count) and self.total / self.count > max(LEAST, CERTAIN / self.count**0.5)
        return far or bool(self.reasons)

    def warn(self, modality: str, known: str) -> None:
        """Warn if items, of a modality, are unlike what is `known`."""
        if not self.found:
            return
        number = len(self.reasons) or self.count
        part = f"{number} of the {self.count}" if number < self.count else f"the {number}"
        many = (
            f"{part} {modality} items {'is' if number == 1 else 'are'}" if self.count > 1 else f"the {modality} item is"
        )
        if self.reasons:
            first = f": {self.reasons[0]}" if number == 1 else f" (the first: {self.reasons[0]})"
            why = f"all that the encoder was trained on{first}"
        else:
            off = self.total / self.count
            why = f"{known}: {off:.1f} standard deviations further off (on average, by their embeddings)"
        of = "it" if number == 1 else "them"
        warn(f"{many} unlike {why}. What is made of {of} may say little.")


def familiarity_states(known: Mapping[str, Familiarity]) -> dict[str, Tensor]:
    """The state of each modality, by "modality.name"."""
    return {f"{modality}.{name}": value for modality, one in known.items() for name, value in one.state().items()}


def read_familiarity(path: Path) -> dict[str, Familiarity]:
    """The familiarity of each modality in a file of `familiarity_states`, if it is there."""
    states: dict[str, dict[str, Tensor]] = {}
    with library_errors(f"{path} cannot be read", "Make it again.", CorruptFile):
        tensors = load_file(path) if path.is_file() else {}
    for key, value in tensors.items():
        modality, _, name = key.rpartition(".")
        states.setdefault(modality, {})[name] = value
    return {modality: Familiarity.restore(state) for modality, state in states.items()}
