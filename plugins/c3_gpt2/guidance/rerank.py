"""Choose among the captions of a beam search by their likeness with the condition and by how probable they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from c3_gpt2.caption import Caption
from c3core.contracts import OutputEncoder


def rerank(captions: Sequence[Caption], encoder: OutputEncoder, conditions: Tensor, *, weight: float) -> list[Caption]:
    """Return one caption for each of the conditions (n, dim), of n · k captions with scores.

    It has the largest cosine with the condition + `weight` · mean log-probability. A caption that cannot be read is
    taken only if none of the k can.
    """
    count = len(captions) // len(conditions)
    texts = list(dict.fromkeys(captions))
    found = dict(zip(texts, encoder.conditions(texts), strict=True))
    asked = conditions.float().cpu().repeat_interleave(count, dim=0)
    cosines = cosine_similarity(torch.stack([found[caption] for caption in captions]), asked)
    scores = torch.tensor([caption.score or 0.0 for caption in captions])
    total = (cosines + weight * scores).nan_to_num(nan=-torch.inf).view(-1, count)
    return [captions[row * count + best] for row, best in enumerate(total.argmax(dim=1).tolist())]
