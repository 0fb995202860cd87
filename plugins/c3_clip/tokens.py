"""Texts as CLIP takes them: open_clip's own tokens; what is cut is said once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Tokens:
    """open_clip's tokenizer. A text longer than the context is cut as open_clip cuts it; a warning says so, once."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.context: int = tokenizer.context_length
        # A tokenizer of transformers stands inside open_clip's; open_clip's own pads with 0.
        self.pad: int = getattr(getattr(tokenizer, "tokenizer", None), "pad_token_id", 0) or 0
        self._said = False

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(n, context) int64."""
        ids: Tensor = self.tokenizer(list(texts))
        if not self._said:
            self._say_cut(texts, ids)
        return ids

    def _say_cut(self, texts: Sequence[str], ids: Tensor) -> None:
        """A text that fills the context may just fit: it was cut if a longer context would hold more of it.

        Padding stands at the end. Inside a text its number may be a token's: open_clip's own pads with 0, which is "!".
        """
        full = (ids[:, -2:] != self.pad).any(dim=1).nonzero().flatten().tolist()
        if not full:
            return
        longer = self.tokenizer([texts[row] for row in full], context_length=self.context + 1)
        if (_lengths(longer, self.pad) > _lengths(ids[full], self.pad)).any():
            self._said = True
            warnings.warn(
                f"a text is longer than {self.context} tokens: only its beginning counts (said once).", stacklevel=4
            )


def _lengths(ids: Tensor, pad: int) -> Tensor:
    """(n,) tokens of each row before the padding at its end."""
    places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    return ((ids != pad) * places).amax(dim=1)
