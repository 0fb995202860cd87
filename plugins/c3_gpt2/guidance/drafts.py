"""Captions while they are written, one token at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from c3_gpt2.tokens import decode


class Drafts:
    """The tokens of `count` captions. A caption that ended, by `end` or one of `stop_strings`, is not written on.

    The rows of each tensor below are those captions that go on, in order.
    """

    def __init__(
        self,
        count: int,
        tokenizer: PreTrainedTokenizerBase,
        end: int,
        prompt: str = "",
        stop_strings: Sequence[str] | None = None,
    ) -> None:
        self.tokenizer, self.end, self.prompt, self.stop_strings = tokenizer, end, prompt, stop_strings or ()
        self.open = list(range(count))
        self._written: list[list[int]] = [[] for _ in range(count)]

    @property
    def conditions(self) -> list[int]:
        """The position of each row's condition."""
        return self.open

    def texts(self, tokens: Tensor) -> list[list[str]]:
        """Return what each caption would be with each of its candidates (n, k), after the prompt."""
        rows = [[*self._written[row], token] for row, several in self._rows(tokens) for token in several]
        ids = torch.tensor(rows)
        texts = [f"{self.prompt} {text}".strip() for text in decode(self.tokenizer, ids, torch.ones_like(ids).bool())]
        return [texts[start : start + tokens.shape[1]] for start in range(0, len(texts), tokens.shape[1])]

    def add(self, tokens: Tensor) -> list[int]:
        """Write a token (n,) to each caption. Return which of the rows go on."""
        stays = []
        for place, (row, token) in enumerate(self._rows(tokens)):
            self._written[row].append(token)
            if not self._has_ended(self._written[row]):
                stays.append(place)
        self.open = [self.open[place] for place in stays]
        return stays

    def ids(self) -> Tensor:
        """Return all tokens (count, t), int64, padded with `end`."""
        longest = max(map(len, self._written))
        return torch.tensor([row + [self.end] * (longest - len(row)) for row in self._written])

    def _rows(self, tokens: Tensor) -> list[tuple[int, Any]]:
        return list(zip(self.open, tokens.tolist(), strict=True))

    def _has_ended(self, written: list[int]) -> bool:
        if written[-1] == self.end or not self.stop_strings:
            return written[-1] == self.end
        ids = torch.tensor([written])
        (text,) = decode(self.tokenizer, ids, torch.ones_like(ids).bool())
        return any(string in text for string in self.stop_strings)
