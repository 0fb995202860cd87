"""The metric `playground-factors`: what of its sentence a drawing of the playground shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from c3_playground.painters.factor_reader import FactorReader, factor_accuracy, inception_score, load_reader
from c3_playground.world import parse
from c3core.errors import C3Error
from c3core.media import Picture

SIZE = 32  # of the pictures that the reader has learned from
_reader = cache(load_reader)


def factors(inputs: Sequence[str], outputs: Sequence[Picture], references: Sequence[Sequence[Any]]) -> dict[str, float]:
    """In %: `factors`, the mean of `shape`, `colour` and `place`; `exact`. As counts: `objects`, `inception` (1 to 72).

    docs/painting.md says what they are. References are not looked at: a sentence says what its picture must show.
    Raises `C3Error` for pictures of another size than the playground's, and for sentences that state nothing of it.
    """
    if strange := next(
        (picture.shape for picture in map(np.asarray, outputs) if picture.shape != (SIZE, SIZE, 3)), None
    ):
        raise C3Error(f"it reads pictures of {SIZE} × {SIZE} × 3, got {' × '.join(map(str, strange))}.")
    if strange_sentence := next((sentence for sentence in inputs if not parse(sentence, "image").parts), None):
        raise C3Error(f"{strange_sentence!r} states no shape of the playground.")
    return figures(_reader(), inputs, outputs)


def figures(reader: FactorReader, sentences: Sequence[str], pictures: Sequence[Picture]) -> dict[str, float]:
    """The figures of `factors`, by a reader that is at hand."""
    found = factor_accuracy(reader, sentences, pictures)
    objects, mean = found.pop("objects"), found.pop("mean")
    shares = {"factors": 100 * mean, **{name: 100 * share for name, share in found.items()}}
    return {**shares, "objects": objects, "inception": inception_score(reader, pictures)}
