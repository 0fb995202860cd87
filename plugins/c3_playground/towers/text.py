"""The text tower: a network that was trained to name what sentences state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from c3_playground.towers.sentences import WEIGHTS, SentenceNet, load_net
from c3core.contracts import Reader, Tower
from c3core.errors import C3Error
from c3core.io import sha256
from c3core.media import TextReader


class TextTower(Tower):
    """Sentences to features (n, 512).

    `python -m c3_playground.towers.sentence_reader` trained it, on sentences alone. With `frozen=False` it is trained
    further, and saved with the space; its `vocabulary` is then the one that the weights are for.

    >>> tower = TextTower()
    >>> tower(tower.collate(["a red ring"])).shape
    torch.Size([1, 512])
    """

    modality = "text"

    def __init__(self, *, frozen: bool = True, vocabulary: Sequence[str] | None = None) -> None:
        super().__init__()
        if frozen and vocabulary is not None:
            raise C3Error("a frozen text tower keeps its own vocabulary. Leave `vocabulary` out, or say frozen=False.")
        self.frozen = frozen
        self.net = load_net() if vocabulary is None else SentenceNet(vocabulary)
        self.width = self.net.width

    def reader(self) -> Reader:
        return TextReader()

    def collate(self, items: Sequence[Any]) -> Tensor:
        """(n, longest) word ids; 0 pads."""
        return self.net.ids(items)

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net(batch)
        return features

    def config(self) -> dict[str, Any]:
        return {"frozen": True} if self.frozen else {"frozen": False, "vocabulary": self.net.vocabulary}

    def identity(self) -> str:
        """The hash of the weights, where they are not saved with the space."""
        return f"{type(self).__name__} {sha256(WEIGHTS)}" if self.frozen else super().identity()
