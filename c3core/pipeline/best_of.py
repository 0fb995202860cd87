"""Several outputs a condition, of which the one is kept that the space sees nearest to what was asked."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from c3core.contracts import Bridge, Decoder, Encoder, GenerateOptions
from c3core.errors import C3Error


def best_of(
    decoder: Decoder,
    encoder: Encoder,
    bridge: Bridge,
    conditions: Tensor,
    options: GenerateOptions,
    *,
    generator: torch.Generator,
    count: int,
) -> list[Any]:
    """One output of each condition (n, dim): of `count`, the one whose own condition has the largest cosine with it.

    Outputs are embedded as sources of the decoder's modality and bridged as in use, so that the space and the bridge
    must know that modality. One that cannot be embedded (an empty caption) is kept only where all are so. A decoder
    that draws nothing by chance gives the same output `count` times, which a warning says.
    """
    asked = conditions.repeat_interleave(count, dim=0)
    outputs = generated(decoder, asked, options, generator)
    groups = [outputs[start : start + count] for start in range(0, len(outputs), count)]
    if all(same(first, other) for first, *others in groups for other in others):
        warnings.warn(
            f"best_of made the same output {count} times each. The options may leave nothing to chance: change them,"
            " or leave it.",
            stacklevel=3,
        )
    likeness = torch.full((len(asked),), -torch.inf)
    for batch in encoder.encode_batches(outputs):
        if batch.index:
            seen = bridge.condition(batch.embeddings, decoder.modality)
            likeness[batch.index] = cosine_similarity(seen, asked[batch.index]).float().cpu()
    best = likeness.view(-1, count).argmax(dim=1) + torch.arange(0, len(asked), count)
    return [outputs[place] for place in best.tolist()]


def generated(decoder: Decoder, conditions: Tensor, options: GenerateOptions, generator: torch.Generator) -> list[Any]:
    """What the decoder makes of conditions (n, dim); a `C3Error` where that is not a list of n."""
    outputs = decoder.generate(conditions, options, generator=generator)
    if not isinstance(outputs, list) or len(outputs) != len(conditions):
        what = f"{len(outputs)} outputs" if isinstance(outputs, list) else f"a {type(outputs).__name__}"
        raise C3Error(f"decoder {decoder.name!r} gave {what} for {len(conditions)} conditions, not a list of one each.")
    return outputs


def same(one: Any, other: Any) -> bool:
    """Whether two outputs are equal: strings, or arrays."""
    return np.array_equal(one, other) if isinstance(one, np.ndarray | Tensor) else bool(one == other)
