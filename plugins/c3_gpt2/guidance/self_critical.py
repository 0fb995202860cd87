"""Reward sampled captions that the space finds near to unpaired inputs, as ESPER does (Yu et al. 2022).

    loss = −mean over i of (r(s_i, x_i) − r(g_i, x_i)) · mean over the tokens of log p(s_i | x_i)

x_i is the condition of a photo (or sound, …) without a caption, s_i a sampled and g_i a greedy caption of it, and r the
cosine of a caption's condition with x_i. The greedy caption is the baseline of self-critical training (Rennie et al.
2017): only a sample that is better than what the decoder says by itself becomes more likely.
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


def self_critical_loss(log_probabilities: Tensor, sampled: Tensor, greedy: Tensor) -> Tensor:
    """Return the loss from the samples' mean log-probabilities (n,), and the rewards (n,) of samples and baselines."""
    return -((sampled - greedy).detach() * log_probabilities).mean()
