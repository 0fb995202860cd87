"""How tables show scores: those of one metric with the same number of decimals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor, log10

# Shares or means of shares, in %.
OUT_OF_100 = {"bleu1", "bleu2", "bleu3", "bleu4", "cider", "meteor", "r1", "rouge1", "rouge_l", "spice"}


def decimals(metric: str, values: Iterable[float]) -> int:
    """Return how many decimals to show of a metric: one, or two digits of the largest value if that is below 1.

    A metric out of 100 always has one: a BLEU-4 of 0.0006 is none at all.

    >>> decimals("bleu4", [0.0006, 4.8]), decimals("kid_mean", [0.14, 0.035]), decimals("fid", [12.3])
    (1, 2, 1)
    """
    largest = max(map(abs, values), default=0.0)
    return 1 if metric in OUT_OF_100 or largest >= 1 or largest < 1e-9 else 1 - floor(log10(largest))


def shown(rows: Sequence[Mapping[str, float]]) -> list[dict[str, str]]:
    """Return rows of scores by metric as text, each metric with the same decimals in all rows.

    >>> shown([{"cider": 42.71, "kid_mean": 0.14}, {"cider": 0.0351, "kid_mean": 0.035}])
    [{'cider': '42.7', 'kid_mean': '0.14'}, {'cider': '0.0', 'kid_mean': '0.04'}]
    """
    metrics = dict.fromkeys(metric for row in rows for metric in row)
    digits = {metric: decimals(metric, (row[metric] for row in rows if metric in row)) for metric in metrics}
    return [{metric: f"{value:.{digits[metric]}f}" for metric, value in row.items()} for row in rows]
