"""Measure the alignment noise of a space, which tells the noise to give a bridge."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor

from c3core.bridges.c3 import C3Bridge
from c3core.bridges.corrupt import Noise
from c3core.bridges.part import AUTO
from c3core.contracts import Bridge, Encoder, Space
from c3core.errors import WrongCall, warn

# The alignment noise over the deviation of the sentences of one item from their mean. Measured: 2.1 (pictures), 2.8
# (videos) and 2.5 (sounds) of the playground, 1.7 (CLIP ViT-B/32), 1.9 (photos of Flickr8k in a space of `c3 connect`).
OF_SENTENCES = 2.0
# The level over the alignment noise. CIDEr at 1 and 1.5: 126.3 and 125.5 (playground), 38.3 and 42.2 (Flickr8k).
OF_ALIGNMENT = 1.5
TOO_MUCH = 4.0  # times the alignment noise: more hides what the embeddings tell
ITEMS = 100  # that are measured; 20 give the same within 5 %
FEWEST = 10  # items; of fewer the figure says little


@dataclass(frozen=True)
class MeasuredNoise:
    """The standard deviation of the alignment noise per dimension, and what it was measured on."""

    std: float
    source: str


def uses_noise(bridge: Bridge) -> TypeGuard[C3Bridge]:
    """Whether a bridge adds noise of a standard deviation, given or "auto"."""
    return isinstance(bridge, C3Bridge) and isinstance(bridge.corrupt, Noise)


def choose_noise(bridge: C3Bridge, measured: MeasuredNoise | None, *, quiet: bool) -> dict[str, Any]:
    """Set the level of noise that is "auto" and print it, unless `quiet`. Warn of a given level that is too high.

    Returns the level and where it comes from, for the manifest. The bridge must be one that `uses_noise`.
    """
    noise = bridge.corrupt
    assert isinstance(noise, Noise)
    level, source = noise.level, "given"
    if noise.std != AUTO:
        if measured and level > TOO_MUCH * measured.std:
            warn(
                f"noise_std {level:.4g} is {level / measured.std:.1f} times the alignment noise, {measured.std:.4g}"
                f" ({measured.source}). So much hides what the embeddings tell: try noise_std auto.",
            )
        return {"noise_std": level, "noise_from": source}
    if measured is None:
        source = "the paper's code for CLIP"
        warn(
            f"noise_std is {level:.4g}, as in the paper's code for CLIP: nothing tells the alignment noise of this"
            " space. Give some pairs as `validation`, or measure it (`c3 geometry`) and give noise_std.",
        )
    else:
        level, source = OF_ALIGNMENT * measured.std, measured.source
        if not quiet:
            print(
                f"noise_std {level:.4g}: {OF_ALIGNMENT:g} times the alignment noise, {measured.std:.4g} ({source})",
                file=sys.stderr,
            )
    bridge.choose_noise(level)
    return {"noise_std": level, "noise_from": source}


def noise_of_space(space: Space, target: str, modalities: Iterable[str] = ()) -> MeasuredNoise | None:
    """Return the noise that a space is known to have between `target` and `modalities` (all, if none is named).

    Of several it is the largest, since the decoder must bear each of them. None if the space does not know it.
    """
    others = {*modalities} - {target} or {*space.modalities}
    known = {pair: std for pair, std in space.noise_std.items() if target in pair and others & {*pair} - {target}}
    if not known:
        return None
    pair = max(known, key=lambda one: known[one])
    return MeasuredNoise(known[pair], f"of {pair[0]} and {pair[1]} in the space {space.spec}")


def noise_of_pairs(
    x: Encoder, xs: Sequence[Any], y: Encoder, ys: Sequence[Any], items: Sequence[Hashable]
) -> MeasuredNoise | None:
    """Embed one pair of each of at most `ITEMS` items and measure it. `xs[i]` and `ys[i]` are of `items[i]`.

    None if fewer than `FEWEST` items can be read.
    """
    first: dict[Hashable, int] = {}
    for row, item in enumerate(items):
        first.setdefault(item, row)
    rows = _spread([*first.values()])
    sides = [_embedded(encoder, [of[row] for row in rows]) for encoder, of in ((x, xs), (y, ys))]
    good = sorted(sides[0].keys() & sides[1].keys())
    if len(good) < FEWEST:
        return None
    std = alignment_noise(*(torch.stack([side[at] for at in good]) for side in sides))
    return MeasuredNoise(std, f"{len(good)} pairs of {x.modality} and {y.modality}")


def noise_of_sentences(encoder: Encoder, sentences: Sequence[Any], items: Sequence[Hashable]) -> MeasuredNoise | None:
    """Embed the sentences of at most `ITEMS` items that have several, and estimate it. `sentences[i]` is of `items[i]`.

    None if fewer than `FEWEST` items have several sentences that can be read.
    """
    rows: dict[Hashable, list[int]] = {}
    for row, item in enumerate(items):
        rows.setdefault(item, []).append(row)
    several = _spread([of for of in rows.values() if len(of) > 1])
    embedded = _embedded(encoder, [sentences[row] for of in several for row in of])
    groups, at = [], 0
    for of in several:
        group = [embedded[place] for place in range(at, at + len(of)) if place in embedded]
        groups += [torch.stack(group)] if len(group) > 1 else []
        at += len(of)
    if len(groups) < FEWEST:
        return None
    return MeasuredNoise(OF_SENTENCES * spread_within(groups), f"an estimate from the sentences of {len(groups)} items")


def alignment_noise(x: Tensor, y: Tensor) -> float:
    """Return σ of ε = (e_x − e_y) − gap ~ N(0, σ²I), per dimension, of pairs of embeddings (n, d).

    The gap is the mean of e_x − e_y (section 2.2 of the C3 paper), which takes one of n degrees of freedom. Raises
    `WrongCall` for fewer than two pairs.

    >>> x = torch.tensor([[1.0, 0.0], [1.0, 2.0], [1.0, 0.0], [1.0, 2.0]])
    >>> round(alignment_noise(x, torch.zeros(4, 2)), 4)  # √(4 / (3 · 2))
    0.8165
    """
    if x.shape != y.shape or len(x) < 2:
        raise WrongCall(f"noise is measured on two pairs or more, got {tuple(x.shape)} and {tuple(y.shape)}.")
    return spread_within([x.double() - y.double()])


def spread_within(groups: Sequence[Tensor]) -> float:
    """Return the standard deviation per dimension of rows around the mean of their group (n, d).

    >>> spread_within([torch.tensor([[1.0, 0.0], [1.0, 2.0]])])  # √(2 / (1 · 2))
    1.0
    """
    squares = sum(float((group - group.mean(0)).square().sum()) for group in (group.double() for group in groups))
    return (squares / sum((len(group) - 1) * group.shape[1] for group in groups)) ** 0.5  # type: ignore[no-any-return]


def _spread(values: list[Any]) -> list[Any]:
    """At most `ITEMS` of the values, from all over the list."""
    return values[:: max(1, len(values) // ITEMS)][:ITEMS]


def _embedded(encoder: Encoder, sources: Sequence[Any]) -> dict[int, Tensor]:
    """The embedding (d,) of each source that can be read, by position."""
    return {
        at: row
        for batch in encoder.encode_batches(sources)
        for at, row in zip(batch.index, batch.embeddings, strict=True)
    }
