"""Bridges: from embeddings to conditions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from c3core.errors import C3Error


class Bridge(ABC):
    """Maps embeddings to conditions. Fitted on each modality by itself, without pairs.

    `fit` and `extend` take for each modality a tensor (n, dim), an iterable of such tensors, a `Store` or `Moments`.
    The embeddings must be of unit norm, as `Encoder.encode` and stores give them: a bridge does not normalize them.
    """

    name: str
    needs: frozenset[str]  # the moments to gather in one pass: "mean", "variance", "covariance", "sample"
    target: str | None  # the modality that the decoder is trained on

    @property
    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """The modalities that the bridge is fitted on."""

    def takes(self, modality: str) -> bool:
        """Whether `condition` works for a modality: it is fitted on it, or needs no moments."""
        return not self.needs or modality in self.modalities

    @abstractmethod
    def fit(self, embeddings: Mapping[str, Any], *, target: str | None = None) -> Self:
        """Gather the moments of each modality, in one pass over its embeddings. Replaces an earlier fit."""

    @abstractmethod
    def extend(self, embeddings: Mapping[str, Any]) -> Self:
        """Add modalities to a fitted bridge. The statistics of the others do not change."""

    @abstractmethod
    def train_condition(self, e: Tensor, modality: str, *, generator: torch.Generator | None = None) -> Tensor:
        """Map embeddings (n, dim) to conditions for training. Noise is drawn from `generator`."""

    @abstractmethod
    def condition(self, e: Tensor, modality: str) -> Tensor:
        """Map embeddings (n, dim) to conditions for use, without randomness."""

    def condition_dim(self, space_dim: int) -> int:
        """Return the size of the conditions for embeddings of `space_dim` dimensions. By default the same."""
        return space_dim

    def native(self) -> Bridge:
        """Return this bridge for a decoder of frame "native", with conditions like the target's own embeddings.

        The two must share what is fitted: `fit` and `extend` of one fit the other, and either is saved for both. By
        default it raises `C3Error`.
        """
        raise C3Error(f"bridge {self.name!r} has no native form, which this decoder needs. Use another one.")

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return what rebuilds the bridge, as JSON values, without the statistics of `state`."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return the fitted statistics by name, as tensors for safetensors."""

    @classmethod
    @abstractmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """Return the bridge that `config` and `state` describe."""
