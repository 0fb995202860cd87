"""Score captions as COCO does: BLEU, ROUGE-L and CIDEr, and with Java METEOR and SPICE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from statistics import mean
from typing import Any

from c3_metrics import java_metrics, ptb_tokenizer
from c3core.errors import NotInstalled, WrongCall, near

METRICS = ("cider", "bleu1", "bleu2", "bleu3", "bleu4", "rouge1", "rouge_l")
TIMEOUT = 1800.0  # seconds that a Java process may take

tokenize = lru_cache(maxsize=1 << 18)(ptb_tokenizer.tokenize)  # for each metric the same captions


def caption_metrics(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    metrics: Sequence[str] = METRICS,
) -> dict[str, float]:
    """Compare each candidate caption with its references, by pycocoevalcap. Scores are × 100, as papers print them.

    BLEU-1 … 4 are of the whole corpus, with the reference length that is closest; ROUGE-1 (the F-measure of shared
    words, with the reference that shares most), ROUGE-L and CIDEr are means over items. CIDEr takes its document
    frequencies from these references: for one item it is 0, because each of its words is in every document, and for a
    few items it depends on which they are. An empty candidate scores 0; a reference without a word is ignored.

    Raises `WrongCall` for an unknown metric, lists of different lengths, no items, or an item without a reference that
    has a word, and `NotInstalled` without pycocoevalcap.

    >>> candidates, references = ["A dog runs.", "Two cats"], [["a dog runs", "a dog"], ["two cats sleep"]]
    >>> scores = caption_metrics(candidates, references, metrics=["bleu1", "cider"])
    >>> round(scores["bleu1"], 1)
    81.9
    """
    if isinstance(metrics, str):
        raise WrongCall(f"metrics must be a list, not one string. Write [{metrics!r}].")
    for name in metrics:
        if name not in METRICS:
            raise WrongCall(f"no caption metric is called {name!r}: {near(name, METRICS)}")
    _check_captions(candidates, references)
    scores = _coco_scores(*tokenized(candidates, references), metrics)
    return {metric: scores[metric] for metric in metrics}


def tokenized(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The tokens of captions and of the references that have any. Raises `WrongCall` if none of an item has."""
    words = [[tokens for tokens in map(tokenize, several) if tokens] for several in references]
    if wordless := [i for i, several in enumerate(words) if not several]:
        raise WrongCall(f"no reference of item {wordless[0]} has a word in it. Leave the item out.")
    return [tokenize(candidate) for candidate in candidates], words


def _check_captions(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if isinstance(candidates, str) or any(isinstance(several, str) for several in [references, *references]):
        raise WrongCall("candidates must be a list of captions, and references a list of lists of captions.")
    if len(candidates) != len(references) or not candidates:
        raise WrongCall(
            f"{len(candidates)} candidates but references of {len(references)} items: give a list of references for"
            " each candidate, and at least one candidate."
        )
    for caption in chain(candidates, chain.from_iterable(references)):
        if not isinstance(caption, str):
            raise WrongCall(f"a caption must be a string, got {type(caption).__name__}. Leave such items out.")


def _coco_scores(
    candidates: Sequence[str], references: Sequence[Sequence[str]], metrics: Sequence[str]
) -> dict[str, float]:
    """Return BLEU, ROUGE-L and CIDEr of tokenized captions, × 100."""
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError as error:
        raise NotInstalled(
            f'caption metrics need pycocoevalcap ({error}). Run: pip install "c3core[metrics]"'
        ) from None
    pair = dict(enumerate(references)), {i: [candidate] for i, candidate in enumerate(candidates)}
    scores: dict[str, float] = {}
    if any(metric.startswith("bleu") for metric in metrics):
        bleu, _ = Bleu(4).compute_score(*pair, verbose=0)  # else it prints its counts
        scores |= {f"bleu{k}": 100 * float(value) for k, value in enumerate(bleu, start=1)}
    if "rouge1" in metrics:
        scores["rouge1"] = 100 * mean(map(_rouge1, candidates, references))
    if "rouge_l" in metrics:
        scores["rouge_l"] = 100 * float(Rouge().compute_score(*pair)[0])
    if "cider" in metrics:
        scores["cider"] = 100 * float(Cider().compute_score(*pair)[0])
    return scores


def _rouge1(candidate: str, references: Sequence[str]) -> float:
    """Return the F-measure of the words that a tokenized caption shares with the reference that shares most."""
    words = Counter(candidate.split())
    others = [Counter(reference.split()) for reference in references]
    return max(2 * (words & other).total() / max(1, words.total() + other.total()) for other in others)


Metric = Callable[[Sequence[Any], Sequence[str], Sequence[Sequence[str]]], dict[str, float]]


def _metric(name: str) -> Metric:
    def metric(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        return caption_metrics(outputs, references, metrics=[name])

    return metric


cider, bleu1, bleu2, bleu3, bleu4, rouge1, rouge_l = map(_metric, METRICS)


def meteor(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return METEOR 1.5 (Denkowski and Lavie 2014) of the whole corpus, × 100. Raises `C3Error` without Java."""
    return {"meteor": 100 * java_metrics.meteor(*tokenized(outputs, references), timeout=TIMEOUT)}


def spice(inputs: Sequence[Any], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return SPICE (Anderson et al. 2016), the mean F of the items, × 100.

    Raises `C3Error` without Java or the parser's models.
    """
    return {"spice": 100 * java_metrics.spice(*tokenized(outputs, references), timeout=TIMEOUT)}
