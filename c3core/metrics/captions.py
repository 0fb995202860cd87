"""Score captions as COCO does: BLEU, ROUGE-L and CIDEr, and with Java METEOR and SPICE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from statistics import mean
from typing import Any

from c3core.errors import C3Error, NotInstalled, WrongCall, near
from c3core.metrics.java import INSTALL
from c3core.metrics.java_metrics import meteor, spice
from c3core.metrics.tokenizer import TokenizerName, tokenize

METRICS = ("cider", "bleu1", "bleu2", "bleu3", "bleu4", "rouge1", "rouge_l", "meteor", "spice")


@dataclass(frozen=True)
class CaptionScores:
    """Scores of `n` captions by name, × 100 as papers print them (CIDEr 93.3, BLEU-4 27.7).

    `left_out` holds the metrics that could not be computed, with the reason.
    """

    n: int
    tokenizer: str
    scores: dict[str, float]
    left_out: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: each score under its name, and "n", "tokenizer" and "left_out"."""
        fields = asdict(self)
        return {**fields.pop("scores"), **fields}


def caption_metrics(
    candidates: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    metrics: Sequence[str] = METRICS,
    tokenizer: TokenizerName = "auto",
    timeout: float = 1800,
) -> CaptionScores:
    """Compare each candidate caption with its references, by pycocoevalcap.

    BLEU-1 … 4 are of the whole corpus, with the reference length that is closest; ROUGE-1 (the F-measure of shared
    words, with the reference that shares most), ROUGE-L and CIDEr are means over items. CIDEr takes its document
    frequencies from these references: for one item it is 0, because each of its words is in every document, and for a
    few items it depends on which they are. An empty candidate scores 0; a reference without a word is ignored.

    `tokenizer` is "ptb" (Java), "python" (the same rules), or "auto": "ptb" if there is Java. `timeout`, in seconds,
    limits each Java process.

    Raises `WrongCall` for an unknown metric, lists of different lengths, no items, or an item without a reference that
    has a word, and `NotInstalled` without pycocoevalcap.

    >>> scores = caption_metrics(["A dog runs.", "Two cats"], [["a dog runs", "a dog"], ["two cats sleep"]],
    ...                          metrics=["bleu1", "cider"], tokenizer="python")
    >>> round(scores.scores["bleu1"], 1)
    81.9
    """
    check_names(metrics, METRICS, "caption metric")
    _check_captions(candidates, references)
    texts = [*candidates, *chain.from_iterable(references)]
    tokens, tokenizer_name = tokenize(texts, tokenizer=tokenizer, timeout=timeout)
    candidates, rest = tokens[: len(candidates)], iter(tokens[len(candidates) :])
    references = [[words for words in islice(rest, len(several)) if words] for several in references]
    wordless = [i for i, several in enumerate(references) if not several]
    if wordless:
        raise WrongCall(f"no reference of item {wordless[0]} has a word in it. Leave the item out.")

    scores = _coco_scores(candidates, references, metrics)
    left_out: dict[str, str] = {}
    for metric, compute in (("meteor", meteor), ("spice", spice)):
        if metric in metrics:
            try:
                scores[metric] = 100 * compute(candidates, references, timeout=timeout)
            except C3Error as error:  # the other scores are still valid
                left_out[metric] = str(error)
    ordered = {metric: scores[metric] for metric in metrics if metric in scores}
    return CaptionScores(len(candidates), tokenizer_name, ordered, left_out)


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
        raise NotInstalled(f"caption metrics need pycocoevalcap ({error}). {INSTALL}") from None
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
