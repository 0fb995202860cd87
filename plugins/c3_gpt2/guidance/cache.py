"""Run a language model after keys and values that were computed before."""

from __future__ import annotations

import inspect
from typing import Any

from torch import Tensor
from transformers import DynamicCache

Pairs = list[tuple[Tensor, Tensor]]  # keys and values (n, heads, t, width) of each layer; none before the first place


def run(model: Any, pairs: Pairs, **inputs: Any) -> tuple[Any, Pairs]:
    """Return what a model returns after `pairs`, which do not change, and the pairs with the new places."""
    cache = DynamicCache(pairs)
    # transformers renames the argument.
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    out = model(**inputs, **{name: cache}, use_cache=True)
    return out, [(layer[0], layer[1]) for layer in cache]
