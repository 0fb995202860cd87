"""Make several outputs of a condition, and keep the one that is nearest to the condition in the space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from c3core.contracts import Decoder, GenerationOptions, OutputEncoder
from c3core.errors import warn


def best_of(
    decoder: Decoder,
    encoder: OutputEncoder,
    conditions: Tensor,
    options: GenerationOptions,
    *,
    generator: Sequence[torch.Generator],
    count: int,
) -> list[Any]:
    """Return one output for each of the conditions (n, dim): of `count`, that with the largest cosine to the condition.

    `generator` has `count` for each condition.

    An output that cannot be embedded, such as an empty caption, is kept only if none can. Warns if each
    condition gives the same output every time.
    """
    asked = conditions.repeat_interleave(count, dim=0)
    outputs = decoder.generate(asked, options, generator=generator)
    groups = [outputs[start : start + count] for start in range(0, len(outputs), count)]
    if all(same(first, other) for first, *others in groups for other in others):
        warn(
            f"best_of made the same output {count} times each. Nothing may be random with these options: change them,"
            " or leave best_of out.",
        )
    likeness = cosine_similarity(encoder.conditions(outputs), asked.float().cpu()).nan_to_num(nan=-torch.inf)
    best = likeness.view(-1, count).argmax(dim=1) + torch.arange(0, len(asked), count)
    return [outputs[place] for place in best.tolist()]


def same(one: Any, other: Any) -> bool:
    """Whether two outputs, strings or arrays, are equal."""
    return np.array_equal(one, other) if isinstance(one, np.ndarray | Tensor) else bool(one == other)
