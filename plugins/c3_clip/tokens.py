"""Tokenize texts as open_clip does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from c3core.media import TruncationCheck


class Tokens:
    """open_clip's tokenizer of a model. It cuts a text that is longer than the context; a warning says so once."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.context: int = tokenizer.context_length
        # open_clip may wrap a tokenizer of transformers, which has its own padding. Its own tokenizer pads with 0.
        self.pad: int = getattr(getattr(tokenizer, "tokenizer", None), "pad_token_id", 0) or 0
        self.check = TruncationCheck(self.context)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Token ids (n, context), int64."""
        ids: Tensor = self.tokenizer(list(texts))
        self.check(lambda: self._any_truncated(texts, ids))
        return ids

    def _any_truncated(self, texts: Sequence[str], ids: Tensor) -> bool:
        """Tokenize the texts that fill the context once more, with room for one token: a cut text then gets longer."""
        # Padding stands only at the end. Inside a text the same number may be a token: open_clip's 0 is "!".
        full = (ids[:, -2:] != self.pad).any(dim=1).nonzero().flatten().tolist()
        if not full:
            return False
        longer = self.tokenizer([texts[row] for row in full], context_length=self.context + 1)
        return bool((_lengths(longer, self.pad) > _lengths(ids[full], self.pad)).any())


def _lengths(ids: Tensor, pad: int) -> Tensor:
    """The number of tokens (n,) before the padding at the end of each row."""
    places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    return ((ids != pad) * places).amax(dim=1)
