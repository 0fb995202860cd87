"""Several captions of each condition while they are written, of which the most probable ones are kept."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from c3_gpt2.guidance.drafts import Drafts


class _Offer(NamedTuple):
    score: float  # the mean log-probability of its tokens
    total: float
    caption: int  # that it goes on from
    place: int = -1  # among the open captions
    token: int = -1  # none if the caption has ended


class Beams(Drafts):
    """The `width` captions of each of `count` conditions whose tokens have the largest mean log-probability."""

    def __init__(self, count: int, *arguments: Any, width: int, **options: Any) -> None:
        super().__init__(count, *arguments, **options)
        self.width = width
        self._conditions, self._totals = list(range(count)), [0.0] * count

    @property
    def conditions(self) -> list[int]:
        return [self._conditions[caption] for caption in self.open]

    def extend(self, log_probabilities: Tensor) -> tuple[list[int], list[int]]:
        """Write a token to each caption that goes on, by the log-probabilities (m, vocabulary) of the next tokens.

        Return for each row that goes on after that, the row that it was before, and its new token.
        """
        best = log_probabilities.topk(min(self.width, log_probabilities.shape[1]))
        offers: dict[int, list[_Offer]] = {condition: [] for condition in self._conditions}
        for caption in set(range(len(self._written))).difference(self.open):
            total = self._totals[caption]
            offers[self._conditions[caption]].append(_Offer(total / len(self._written[caption]), total, caption))
        for place, caption in enumerate(self.open):
            length = len(self._written[caption]) + 1
            for value, token in zip(best.values[place].tolist(), best.indices[place].tolist(), strict=True):
                total = self._totals[caption] + value
                offers[self._conditions[caption]].append(_Offer(total / length, total, caption, place, token))
        kept = [offer for several in offers.values() for offer in sorted(several, reverse=True)[: self.width]]
        self._conditions = [self._conditions[offer.caption] for offer in kept]
        self._totals = [offer.total for offer in kept]
        self._written = [self._written[offer.caption] + [offer.token] * (offer.place >= 0) for offer in kept]
        self.open = [
            caption
            for caption, offer in enumerate(kept)
            if offer.place >= 0 and not self._has_ended(self._written[caption])
        ]
        return [kept[caption].place for caption in self.open], [kept[caption].token for caption in self.open]
