"""CIDEr of single captions, as a reward (Vedantam et al. 2015; Rennie et al. 2017).

CIDEr-D(c, r) = 10/4 Σₙ exp(−(|c| − |r|)²/72) · min(g_c, g_r)·g_r / (‖g_c‖ ‖g_r‖), n = 1 to 4

g holds the counts of the n-grams of a sentence, each times log(N/df): rare n-grams count more. N is the number of
sentences, df that of the sentences with the n-gram. Words are runs of letters, digits and apostrophes in lower case.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
LONGEST = 4  # words of an n-gram
VARIANCE = 36  # of the penalty for another length

Gram = tuple[str, ...]


class Cider:
    """CIDEr-D of a caption with one sentence. The weights of n-grams are learned from `sentences` once.

    >>> cider = Cider(["A dog runs.", "A dog sleeps on a mat.", "Two men sing."])
    >>> round(cider("a dog runs", "A dog runs."), 2), cider("two men sing", "A dog runs.")
    (7.5, 0.0)
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        self.count = 0
        self.frequency: Counter[Gram] = Counter()
        for sentence in sentences:
            self.count += 1
            self.frequency.update(_grams(sentence).keys())

    def __call__(self, caption: str, sentence: str) -> float:
        found, asked = (self._weights(_grams(text)) for text in (caption, sentence))
        length = sum(1 for _ in WORD.finditer(caption)) - sum(1 for _ in WORD.finditer(sentence))
        total = 0.0
        for own, other in zip(found, asked, strict=True):
            norm = math.sqrt(sum(x * x for x in own.values())) * math.sqrt(sum(x * x for x in other.values()))
            shared = sum(min(x, other[gram]) * other[gram] for gram, x in own.items() if gram in other)
            total += shared / norm if norm else 0.0
        return 10 / LONGEST * total * math.exp(-(length**2) / (2 * VARIANCE))

    def _weights(self, grams: Mapping[Gram, int]) -> list[dict[Gram, float]]:
        """The weight of each n-gram, by its length."""
        weights: list[dict[Gram, float]] = [{} for _ in range(LONGEST)]
        for gram, times in grams.items():
            weights[len(gram) - 1][gram] = times * math.log(self.count / max(1, self.frequency[gram]))
        return weights


def _grams(text: str) -> Counter[Gram]:
    words = WORD.findall(text.lower())
    return Counter(
        tuple(words[start : start + size]) for size in range(1, LONGEST + 1) for start in range(len(words) - size + 1)
    )
