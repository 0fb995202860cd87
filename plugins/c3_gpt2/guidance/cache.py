"""The keys and values that a language model has computed."""

from __future__ import annotations

from typing import Any

from torch import Tensor

Pairs = list[tuple[Tensor, Tensor]]  # keys and values (n, heads, t, width) of each layer


def pairs_of(out: Any) -> Pairs:
    """Return the keys and values of what a model returned. `DynamicCache(pairs)` is the way back."""
    return [(layer[0], layer[1]) for layer in out.past_key_values]
