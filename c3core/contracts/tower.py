"""A tower: a module that turns items of one modality into features. `c3 connect` joins two or more into a space."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from c3core.contracts import Reader
from c3core.errors import C3Error


class Tower(nn.Module, ABC):
    """Items of one modality to features (n, width), before the projection head.

    A frozen tower brings pretrained weights from elsewhere: it is neither trained nor saved. Another one is trained by
    `c3 connect` and saved with the space. `config()` holds the keyword arguments that build it again.
    """

    modality: str
    width: int
    frozen: bool = False
    license: str = "own"
    training: bool

    @abstractmethod
    def reader(self) -> Reader:
        """The reader that makes this tower's items."""

    def prepare(self, items: Iterable[Any]) -> None:
        """Called once before training with the training items: learn a vocabulary and the like. `config()` must then
        hold it.
        """

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> Any:
        """Items as one batch for `forward`, on the CPU."""

    def from_raw(self, batch: Tensor) -> Any:
        """A batch for `forward` of plain tensors, with gradient: pictures (n, 3, h, w), RGB in 0 .. 1. The base
        refuses.
        """
        raise C3Error(
            f"the {self.modality} tower gives no gradient to its input. Leave out the losses that ask for it."
        )

    def augment(self, batch: Any, generator: torch.Generator) -> Any:
        """A training batch, changed at random where that helps; drawn from `generator` alone."""
        return batch

    @abstractmethod
    def forward(self, batch: Any) -> Tensor:
        """(n, width) features of a collated batch."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Keyword arguments, as JSON values, that build this tower again (weights aside)."""

    def identity(self) -> str:
        """What a tower's features depend on beside weights that are trained here, as text: goes into the encoder's
        fingerprint.
        """
        return json.dumps([type(self).__name__, self.config()], sort_keys=True)
