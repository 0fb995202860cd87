"""Reward sampled captions that are better than a baseline, as self-critical training does (Rennie et al. 2017).

    loss = −Σᵢ (r(s_i) − b_i) log p(s_i | x_i) / Σᵢ (number of tokens of s_i)

s_i is a sampled caption of the condition x_i, r its reward and b_i the baseline. log p is the sum over the tokens:
with their mean a short caption would weigh more, and captions would get shorter. There are two rewards:

- likeness, as in ESPER (Yu et al. 2022): x_i is an input without a caption, such as a photo, and r the cosine of a
  caption's condition with x_i. The baseline is the reward of the greedy caption.
- CIDEr: x_i is the condition of a training sentence, with the bridge's noise, and r the CIDEr with this sentence. The
  baseline is the mean reward of the other samples of x_i (Luo 2020, arXiv 2003.09971).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import cosine_similarity

from c3core.contracts import OutputEncoder


def rewards(encoder: OutputEncoder, captions: Sequence[str], conditions: Tensor) -> Tensor:
    """Return the cosine of each caption with its condition, (n,), on the conditions' device.

    A caption that cannot be read has −1.
    """
    found = encoder.conditions(captions).to(conditions)
    return cosine_similarity(found, conditions).nan_to_num(nan=-1.0)


def self_critical_loss(log_probabilities: Tensor, lengths: Tensor, sampled: Tensor, baselines: Tensor) -> Tensor:
    """Return the loss from the samples' mean log-probabilities and numbers of tokens, the rewards and the baselines.

    All are (n,).
    """
    return -((sampled - baselines).detach() * log_probabilities * lengths).sum() / lengths.sum()
