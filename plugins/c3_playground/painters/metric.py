"""The metric `playground-factors`: how much of its sentence a drawing of the playground shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from c3_playground.painters.factor_network import load_reader
from c3_playground.painters.factor_score import factor_figures
from c3_playground.world import parse
from c3core.errors import WrongCall
from c3core.media import Picture

SIZE = 32  # of the pictures that the reader knows
_reader = cache(load_reader)


def factors(inputs: Sequence[str], outputs: Sequence[Picture], references: Sequence[Sequence[Any]]) -> dict[str, float]:
    """In %: `factors`, the mean of `shape`, `color` and `place`; `exact`. As numbers: `objects`, `inception` (1 to 72).

    docs/guides/drawing.md describes them. The references are not used: a sentence says what its picture must show.
    Raises `WrongCall` for pictures that are not of the playground's size, and for sentences that state nothing of it.
    """
    for picture in map(np.asarray, outputs):
        if picture.shape != (SIZE, SIZE, 3):
            raise WrongCall(f"it reads pictures of {SIZE} × {SIZE} × 3, got {' × '.join(map(str, picture.shape))}.")
    for sentence in inputs:
        if not parse(sentence, "image").parts:
            raise WrongCall(f"{sentence!r} states no shape of the playground.")
    return factor_figures(_reader(), inputs, outputs)
