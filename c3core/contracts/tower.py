"""Towers turn items of one modality into features. `c3 connect` trains them into a space."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from c3core.contracts.reader import Reader
from c3core.errors import C3Error


class Tower(nn.Module, ABC):
    """Maps items of one modality to features (n, width). A projection head maps those into the space.

    `c3 connect` trains a tower and saves it with the space, unless it is `frozen`: then its weights come from elsewhere
    and do not change.
    """

    modality: str
    width: int  # of its features
    frozen: bool = False
    license: str = "own"  # of its weights; "own" if they are trained here
    training: bool

    def __repr__(self) -> str:
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"{type(self).__name__}({self.modality}, width={self.width}, {count:,} parameters)"

    @abstractmethod
    def reader(self) -> Reader:
        """Return the reader that makes this tower's items."""

    def prepare(self, items: Iterable[Any]) -> None:
        """Called once with the training items before a tower is trained, for example to learn a vocabulary.

        `config` must then return what it learned. By default it does nothing.
        """

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> Any:
        """Collate items into a batch for `forward`, on the CPU: a tensor, or a mapping or tuple of tensors."""

    def from_raw(self, batch: Tensor) -> Any:
        """Return a batch for `forward` that lets gradients through to `batch`: images (n, 3, h, w), RGB in [0, 1].

        By default it raises `C3Error`.
        """
        raise C3Error(f"the {self.modality} tower gives no gradient to its input. Leave out losses that need it.")

    def augment(self, batch: Any, generator: torch.Generator) -> Any:
        """Change a training batch at random, with draws from `generator`. By default it returns the batch."""
        return batch

    def unlike(self, item: Any) -> str | None:
        """Return in what an item differs from all that the tower was trained on, as "it is …"; None if in nothing.

        By default it returns None, because most towers cannot tell that of one item.
        """
        return None

    @abstractmethod
    def forward(self, batch: Any) -> Tensor:
        """Map a collated batch to features (n, width)."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the keyword arguments that build this tower again without its trained weights, as JSON values."""

    def identity(self) -> str:
        """Return a text that changes with the features, for the encoder's fingerprint. Trained weights are added to it.

        By default the class name and `config`. A frozen tower adds a hash of its weights and its preprocessing.
        """
        return json.dumps([type(self).__name__, self.config()], sort_keys=True)
