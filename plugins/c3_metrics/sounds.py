"""Scores of sound captions as their field gives them: SPIDEr and FENSE, as `c3 evaluate --metric spider`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from c3core.errors import C3Error, library_errors


def spider(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return SPIDEr (Liu et al. 2017), the mean of CIDEr and SPICE, × 100 as these two.

    Raises `C3Error` if SPICE, which needs Java, cannot be computed.
    """
    from c3_metrics.captions import cider, spice

    try:
        of_graphs = spice(inputs, outputs, references)["spice"]
    except C3Error as error:
        raise C3Error(f"SPIDEr needs SPICE. {error}") from error
    return {"spider": (cider(inputs, outputs, references)["cider"] + of_graphs) / 2}


def fense(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return FENSE (Zhou et al. 2022) by aac-metrics, × 100: similarity of Sentence-BERT, less for a broken sentence.

    Raises `C3Error` if its models cannot be downloaded.
    """
    from aac_metrics.functional import fense as score

    with library_errors("FENSE could not be computed", "Its models are downloaded once: connect to the network."):
        figures, _ = score([str(output) for output in outputs], [list(several) for several in references])
    return {"fense": 100 * float(figures["fense"])}
