"""The text tower: a network that was trained to name what sentences state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from c3_playground.towers.sentences import WEIGHTS, SentenceNet, load_net, words_of
from c3core.contracts import Reader, Tower
from c3core.errors import WrongCall
from c3core.io import sha256
from c3core.media import TextReader


class TextTower(Tower):
    """Features (n, 512) of sentences.

    `python -m c3_playground.towers.sentence_reader` trained the network, on sentences only. With `frozen=False` it is
    trained further and saved with the space, together with its `vocabulary`.

    >>> tower = TextTower()
    >>> tower(tower.collate(["a red ring"])).shape
    torch.Size([1, 512])
    """

    modality = "text"

    def __init__(self, *, frozen: bool = True, vocabulary: Sequence[str] | None = None) -> None:
        super().__init__()
        if frozen and vocabulary is not None:
            raise WrongCall("a frozen text tower has its own vocabulary. Leave `vocabulary` out, or give frozen=False.")
        self.frozen = frozen
        self.net = load_net() if vocabulary is None else SentenceNet(vocabulary)
        self.width = self.net.width

    def reader(self) -> Reader:
        return TextReader()

    def collate(self, items: Sequence[Any]) -> Tensor:
        """Word ids (n, longest), padded with 0."""
        return self.net.ids(items)

    def unlike(self, item: str) -> str | None:
        unknown = list(dict.fromkeys(word for word in words_of(item) if word not in self.net.known))
        if not unknown:
            return None
        return f"it has the unknown word{'s' * (len(unknown) > 1)} {', '.join(unknown)}"

    def forward(self, batch: Tensor) -> Tensor:
        features: Tensor = self.net(batch)
        return features

    def config(self) -> dict[str, Any]:
        return {"frozen": True} if self.frozen else {"frozen": False, "vocabulary": self.net.vocabulary}

    def identity(self) -> str:
        """The hash of the shipped weights if the tower is frozen."""
        return f"{type(self).__name__} {sha256(WEIGHTS)}" if self.frozen else super().identity()
