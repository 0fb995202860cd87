"""Metrics of captions that Java or a model computes, as `c3 evaluate` takes them: METEOR, SPICE, SPIDEr and FENSE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from c3_paper.metrics import java_metrics
from c3core.errors import C3Error, library_errors

TIMEOUT = 1800.0  # seconds that a Java process may take


def meteor(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return METEOR 1.5 (Denkowski and Lavie 2014) of the whole corpus, × 100. Raises `C3Error` without Java."""
    return {"meteor": 100 * java_metrics.meteor(*_tokenized(outputs, references), timeout=TIMEOUT)}


def spice(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return SPICE (Anderson et al. 2016), the mean F of the items, × 100.

    Raises `C3Error` without Java or the parser's models.
    """
    return {"spice": 100 * java_metrics.spice(*_tokenized(outputs, references), timeout=TIMEOUT)}


def _tokenized(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The tokens of outputs and references, as COCO's metrics compare them."""
    from c3core.metrics import tokenize

    words = [[tokens for tokens in map(tokenize, several) if tokens] for several in references]
    return [tokenize(output) for output in outputs], words


def spider(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return SPIDEr (Liu et al. 2017), the mean of CIDEr and SPICE, × 100 as these two.

    Raises `C3Error` if SPICE, which needs Java, cannot be computed.
    """
    from c3core.metrics import caption_metrics

    try:
        of_graphs = spice(inputs, outputs, references)["spice"]
    except C3Error as error:
        raise C3Error(f"SPIDEr needs SPICE. {error}") from error
    return {"spider": (caption_metrics(outputs, references, metrics=["cider"]).scores["cider"] + of_graphs) / 2}


def fense(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return FENSE (Zhou et al. 2022) by aac-metrics, × 100: similarity of Sentence-BERT, less for a broken sentence.

    Raises `C3Error` if its models cannot be downloaded.
    """
    from aac_metrics.functional import fense as score

    with library_errors("FENSE could not be computed", "Its models are downloaded once: connect to the network."):
        figures, _ = score([str(output) for output in outputs], [list(several) for several in references])
    return {"fense": 100 * float(figures["fense"])}
