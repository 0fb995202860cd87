"""The text tower: words of a small vocabulary, and a bucket by checksum for every other word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, nn

from c3_playground.towers.grid import attention_layers
from c3core.contracts import Reader
from c3core.readers.text import TextReader
from c3core.towers import Tower

LONGEST = 48  # words; the world's sentences have at most about thirty
BUCKETS = 32  # for words that are not in the vocabulary


class TextTower(Tower):
    """Sentences to features (n, width)."""

    modality = "text"

    def __init__(self, *, width: int = 128, layers: int = 2, vocabulary: Sequence[str] = ()) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        self.places = nn.Parameter(torch.randn(LONGEST, width) * 0.02)
        self.attention = attention_layers(width, layers)
        self._set_vocabulary(list(vocabulary))

    def _set_vocabulary(self, words: list[str]) -> None:
        self.vocabulary = words
        self._ids = {word: 1 + BUCKETS + k for k, word in enumerate(words)}
        self.words = nn.Embedding(1 + BUCKETS + len(words), self.width, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.3)

    def reader(self) -> Reader:
        return TextReader()

    def prepare(self, items: Iterable[Any]) -> None:
        """Take every word that occurs at least twice as the vocabulary."""
        counts = Counter(word for item in items for word in words_of(item))
        self._set_vocabulary(sorted(word for word, count in counts.items() if count >= 2))

    def collate(self, items: Sequence[Any]) -> Tensor:
        """(n, longest) word ids; 0 pads."""
        rows = [[self._id(word) for word in words_of(item)[:LONGEST]] or [1] for item in items]
        longest = max(len(row) for row in rows)
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    def _id(self, word: str) -> int:
        return self._ids.get(word) or 1 + crc32(word.encode()) % BUCKETS

    def forward(self, batch: Tensor) -> Tensor:
        padding = batch == 0
        hidden = self.words(batch) + self.places[: batch.shape[1]]
        hidden = self.attention(hidden, src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(hidden.dtype)
        features: Tensor = (hidden * kept).sum(dim=1) / kept.sum(dim=1)
        return features

    def config(self) -> dict[str, Any]:
        return {"width": self.width, "layers": self.layers, "vocabulary": self.vocabulary}


def words_of(sentence: str) -> list[str]:
    """Lower-case words and numbers; punctuation is dropped.

    >>> words_of("A red ring, left of a star.")
    ['a', 'red', 'ring', 'left', 'of', 'a', 'star']
    """
    return re.findall(r"[a-z0-9']+", sentence.lower())
