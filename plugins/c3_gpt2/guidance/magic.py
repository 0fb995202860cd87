"""MAGIC (Su et al. 2022, arXiv 2205.02655): contrastive search with a term for the likeness of text and condition."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3_gpt2.guidance.cache import run
from c3_gpt2.guidance.drafts import Drafts
from c3_gpt2.guidance.likeness import Likeness
from c3_gpt2.guidance.options import GuidanceOptions


def magic(
    model: Any, prefix: Tensor, drafts: Drafts, likeness: Likeness, options: GuidanceOptions, *, max_new_tokens: int
) -> Tensor:
    """Write captions after prefixes (n, p, width). Return their token ids (n, t) on the CPU, padded with the end.

    The next token v is, of the `magic_k` most probable ones, that with the largest

        (1 − α) p(v | x) − α max_j cos(h_v, h_j) + β softmax_v(cos(condition, text of [x : v]) / τ)

    where x are the prefix and the tokens so far, and h the last hidden states of the language model. For each step the
    model runs once, on all candidates of all rows.
    """
    out, cache = run(model, [], inputs_embeds=prefix, output_hidden_states=True, logits_to_keep=1)
    logits, context = out.logits[:, -1], normalize(out.hidden_states[-1].float(), dim=-1)
    for _ in range(max_new_tokens):
        probabilities, tokens = logits.float().softmax(dim=-1).topk(min(options.magic_k, logits.shape[1]))  # (n, k)
        n, k = tokens.shape
        wide = [(keys.repeat_interleave(k, 0), values.repeat_interleave(k, 0)) for keys, values in cache]
        out, wide = run(model, wide, input_ids=tokens.reshape(-1, 1), output_hidden_states=True)
        states = normalize(out.hidden_states[-1].float(), dim=-1).view(n, k, -1)
        repetition = (states @ context.transpose(1, 2)).amax(dim=-1)  # (n, k)
        alike = likeness(drafts.texts(tokens), drafts.conditions).to(tokens.device)
        alpha, beta = options.magic_alpha, options.magic_beta
        best = ((1 - alpha) * probabilities - alpha * repetition + beta * alike).argmax(dim=1)
        stays = drafts.add(tokens.gather(1, best[:, None])[:, 0])
        if not stays:
            break
        rows = torch.tensor(stays, device=tokens.device)
        chosen = rows * k + best[rows]
        cache = [(keys[chosen], values[chosen]) for keys, values in wide]
        logits = out.logits[chosen, -1]
        context = torch.cat([context[rows], states[rows, best[rows]][:, None]], dim=1)
    return drafts.ids()
