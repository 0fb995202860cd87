"""Score captions as COCO does: BLEU, ROUGE-L and CIDEr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from statistics import mean
from typing import Any

from c3core.errors import NotInstalled, WrongCall, near
from c3core.metrics.ptb_tokenizer import tokenize

METRICS = ("cider", "bleu1", "bleu2", "bleu3", "bleu4", "rouge1", "rouge_l")
COCO = (*METRICS, "meteor", "spice")  # what COCO gives; the last two are a plugin's, since they need Java


@dataclass(frozen=True)
class CaptionScores:
    """Scores of `n` captions by name, × 100 as papers print them (CIDEr 93.3, BLEU-4 27.7).

    `left_out` holds the metrics that could not be computed, with the reason.
    """

    n: int
    scores: dict[str, float]
    left_out: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: each score under its name, and "n" and "left_out"."""
        fields = asdict(self)
        return {**fields.pop("scores"), **fields}


def caption_metrics(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    metrics: Sequence[str] = METRICS,
) -> CaptionScores:
    """Compare each candidate caption with its references, by pycocoevalcap.

    BLEU-1 … 4 are of the whole corpus, with the reference length that is closest; ROUGE-1 (the F-measure of shared
    words, with the reference that shares most), ROUGE-L and CIDEr are means over items. CIDEr takes its document
    frequencies from these references: for one item it is 0, because each of its words is in every document, and for a
    few items it depends on which they are. An empty candidate scores 0; a reference without a word is ignored.

    Raises `WrongCall` for an unknown metric, lists of different lengths, no items, or an item without a reference that
    has a word, and `NotInstalled` without pycocoevalcap.

    >>> candidates, references = ["A dog runs.", "Two cats"], [["a dog runs", "a dog"], ["two cats sleep"]]
    >>> scores = caption_metrics(candidates, references, metrics=["bleu1", "cider"])
    >>> round(scores.scores["bleu1"], 1)
    81.9
    """
    check_names(metrics, METRICS, "caption metric")
    _check_captions(candidates, references)
    candidates = [tokenize(candidate) for candidate in candidates]
    references = [[words for words in map(tokenize, several) if words] for several in references]
    wordless = [i for i, several in enumerate(references) if not several]
    if wordless:
        raise WrongCall(f"no reference of item {wordless[0]} has a word in it. Leave the item out.")
    scores = _coco_scores(candidates, references, metrics)
    return CaptionScores(len(candidates), {metric: scores[metric] for metric in metrics})


def check_names(names: Sequence[str], known: Iterable[str], what: str, hint: str = "") -> None:
    """Raise `WrongCall` if names of metrics are one string, or if one of them is not known."""
    if isinstance(names, str):
        raise WrongCall(f"metrics must be a list, not one string. Write [{names!r}].")
    for name in names:
        if name not in known:
            raise WrongCall(f"no {what} is called {name!r}: {near(name, known)}{hint}")


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
