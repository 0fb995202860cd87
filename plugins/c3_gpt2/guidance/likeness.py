"""How much texts are like the conditions that they should describe, in the space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.contracts import OutputEncoder


class Likeness:
    """The softmax over the cosines of candidate texts with a condition, for each of the conditions (n, dim).

    A text that was among the candidates of the last call is not encoded again. A text that cannot be read has a cosine
    of −1.
    """

    def __init__(self, encoder: OutputEncoder, conditions: Tensor, temperature: float) -> None:
        self.encoder, self.temperature = encoder, temperature
        self.conditions = normalize(conditions.float().cpu(), dim=-1)
        self._known: dict[str, Tensor] = {}

    def __call__(self, texts: Sequence[Sequence[str]], rows: Sequence[int]) -> Tensor:
        """Return the probabilities (m, k), float32 on the CPU, of k texts for each of the conditions `rows`."""
        asked = dict.fromkeys(chain(*texts))
        known = {text: self._known[text] for text in asked if text in self._known}
        if new := [text for text in asked if text not in known]:
            known.update(zip(new, normalize(self.encoder.conditions(new), dim=-1), strict=True))
        self._known = known
        found = torch.stack([torch.stack([known[text] for text in several]) for several in texts])  # (m, k, dim)
        cosines = torch.einsum("mkd,md->mk", found, self.conditions[list(rows)])
        return (cosines.nan_to_num(nan=-1.0) / self.temperature).softmax(dim=-1)
