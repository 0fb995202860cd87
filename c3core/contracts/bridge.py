"""Bridges: from embeddings to conditions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from c3core.errors import C3Error


class Bridge(ABC):
    """The map from embeddings to conditions: fitted on uni-modal embeddings, different at train and at use.

    What `fit` and `extend` take for each modality: a tensor (n, dim), an iterable of such tensors, a `Store`, or
    `Moments`.
    """

    name: str
    needs: frozenset[str]  # what one streaming pass must gather: "mean", "variance", "covariance", "sample"
    target: str | None  # the modality that the decoder is trained on

    @property
    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """The modalities that the bridge was fitted on."""

    @abstractmethod
    def fit(self, embeddings: Mapping[str, Any], *, target: str | None = None) -> Self:
        """Gather what each modality needs, in one pass over each."""

    @abstractmethod
    def extend(self, embeddings: Mapping[str, Any]) -> Self:
        """One more modality later; the rest stays as it is."""

    @abstractmethod
    def train_condition(self, e: Tensor, modality: str, *, generator: torch.Generator | None = None) -> Tensor:
        """(n, dim) embeddings to conditions for training, with noise drawn from `generator`."""

    @abstractmethod
    def condition(self, e: Tensor, modality: str) -> Tensor:
        """(n, dim) embeddings to conditions for use; no randomness."""

    def native(self) -> Bridge:
        """This bridge for a decoder of frame "native": conditions like the target's own embeddings. The base cannot."""
        raise C3Error(
            f"bridge {self.name!r} has no native form, which this decoder needs. Use a preset of `c3 bridges`."
        )

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What rebuilds the bridge, as JSON values; its statistics are in `state`."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The fitted statistics by name, as tensors that safetensors can hold."""

    @classmethod
    @abstractmethod
    def restore(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """The bridge that `config` and `state` describe."""
