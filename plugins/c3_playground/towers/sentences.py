"""The network of the text tower, and the weights that ship with the package."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from c3_playground.towers.attention import attention_layers
from c3core.io import atomic_write

WEIGHTS = Path(__file__).parent / "sentences.safetensors"
LONGEST = 48  # words; the longest sentences of the world have about thirty
BUCKETS = 32  # ids shared by words that are not in the vocabulary, by their checksum


class SentenceNet(nn.Module):
    """Features (n, pools × hidden) of word ids (n, longest): several means of the words, each with its own weights."""

    def __init__(self, vocabulary: Sequence[str], *, hidden: int = 128, layers: int = 3, pools: int = 4) -> None:
        super().__init__()
        self.vocabulary, self.width = list(vocabulary), pools * hidden
        self.known = {word: 1 + BUCKETS + k for k, word in enumerate(vocabulary)}
        self.words = nn.Embedding(1 + BUCKETS + len(vocabulary), hidden, padding_idx=0)
        nn.init.normal_(self.words.weight, std=0.3)
        self.places = nn.Parameter(torch.randn(LONGEST, hidden) * 0.02)
        self.attention = attention_layers(hidden, layers)
        self.pools = nn.Linear(hidden, pools)

    def ids(self, sentences: Sequence[str]) -> Tensor:
        """Word ids (n, longest), padded with 0."""
        rows = [[self._id(word) for word in words_of(sentence)[:LONGEST]] or [1] for sentence in sentences]
        longest = max(len(row) for row in rows)
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    def _id(self, word: str) -> int:
        return self.known.get(word) or 1 + crc32(word.encode()) % BUCKETS

    def forward(self, ids: Tensor) -> Tensor:
        padding = ids == 0
        hidden = self.words(ids) + self.places[: ids.shape[1]]
        hidden = self.attention(hidden, src_key_padding_mask=padding)
        weights = (
            self.pools(hidden).masked_fill(padding.unsqueeze(-1), float("-inf")).softmax(dim=1)
        )  # (n, longest, pools)
        features: Tensor = (weights.transpose(1, 2).to(hidden.dtype) @ hidden).flatten(1)
        return features


def save_net(net: SentenceNet, path: Path) -> None:
    """Write the weights in half precision, and the vocabulary with them."""
    weights = {name: value.half() for name, value in net.state_dict().items()}
    with atomic_write(path) as temporary:
        save_file(weights, temporary, metadata={"vocabulary": json.dumps(net.vocabulary)})


def load_net(path: Path = WEIGHTS) -> SentenceNet:
    """Read a network that `save_net` wrote. The default ships with the package."""
    with safe_open(path, framework="pt") as file:
        net = SentenceNet(json.loads(file.metadata()["vocabulary"]))
        net.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  it is not a mapping
    return net


def words_of(sentence: str) -> list[str]:
    """The words and numbers of a sentence in lower case, without punctuation.

    >>> words_of("A red ring, left of a star.")
    ['a', 'red', 'ring', 'left', 'of', 'a', 'star']
    """
    return re.findall(r"[a-z0-9']+", sentence.lower())
