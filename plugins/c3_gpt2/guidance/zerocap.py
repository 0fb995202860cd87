"""ZeroCap (Tewel et al. 2022, arXiv 2111.14447): gradient steps on the cached keys and values, for each token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from c3_gpt2.guidance.beams import Beams
from c3_gpt2.guidance.cache import Pairs, run
from c3_gpt2.guidance.likeness import Likeness
from c3_gpt2.guidance.options import GuidanceOptions

NORM_POWER = 0.9  # of a gradient's length, which it is divided by; the authors' code has it


def zerocap(
    model: Any, prefix: Tensor, beams: Beams, likeness: Likeness, options: GuidanceOptions, *, max_new_tokens: int
) -> Tensor:
    """Write captions after prefixes (n, p, width). Return the token ids (n · beams, t) of all on the CPU, padded with
    the end.

    For each token, `zerocap_iterations` steps change the keys and values of all earlier places, so that the next
    token's probabilities p lower

        − Σ_v softmax_v(cos(condition, text of [x : v]) / τ) log p(v) + λ KL(p ‖ p₀)

    where v goes over the `zerocap_candidates` most probable tokens and p₀ is p before any step. A beam search writes
    tokens by these probabilities. The next token starts from keys and values without changes. Without an earlier place,
    which is the case for the first token after a prefix of one place, a token is not guided.
    """
    with torch.inference_mode(False), torch.no_grad():
        last = prefix.clone()[:, -1:]  # a tensor of the inference mode cannot take part in a gradient
        cache: Pairs = []
        if prefix.shape[1] > 1:
            _, cache = run(model, [], inputs_embeds=prefix.clone()[:, :-1], logits_to_keep=1)
        for _ in range(max_new_tokens):
            out, longer = run(model, cache, inputs_embeds=last)
            logits = out.logits[:, -1].float()
            if cache:
                shifted = _shifted(model, last, cache, logits.log_softmax(dim=-1), beams, likeness, options)
                logits = run(model, shifted, inputs_embeds=last)[0].logits[:, -1].float()
            before, tokens = beams.extend(logits.log_softmax(dim=-1))
            if not tokens:
                break
            cache = [(keys[before], values[before]) for keys, values in longer]
            last = model.get_input_embeddings()(torch.tensor(tokens, device=prefix.device)[:, None])
    return beams.ids()


def _shifted(
    model: Any,
    last: Tensor,
    cache: Pairs,
    unguided: Tensor,
    beams: Beams,
    likeness: Likeness,
    options: GuidanceOptions,
) -> Pairs:
    """Return the keys and values after all steps. `unguided` are the log-probabilities (n, vocabulary) before them."""
    flat = [tensor for pair in cache for tensor in pair]
    for _ in range(options.zerocap_iterations):
        leaves = [tensor.detach().requires_grad_() for tensor in flat]
        with torch.enable_grad():
            out, _ = run(model, _paired(leaves), inputs_embeds=last)
            guided = out.logits[:, -1].float().log_softmax(dim=-1)  # (n, vocabulary)
            tokens = guided.topk(min(options.zerocap_candidates, guided.shape[1])).indices
            alike = likeness(beams.texts(tokens), beams.conditions).to(guided.device)
            loss = -(alike * guided.gather(1, tokens)).sum()
            loss = loss + options.zerocap_ce_scale * (guided.exp() * (guided - unguided)).sum()
            gradients = torch.autograd.grad(loss, leaves)
        flat = [tensor - _step(gradient, options) for tensor, gradient in zip(leaves, gradients, strict=True)]
    return _paired([tensor.detach() for tensor in flat])


def _step(gradient: Tensor, options: GuidanceOptions) -> Tensor:
    """Scale the gradient (n, heads, t, width) of each row by its length."""
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-15)[:, None, None, None]
    step: Tensor = options.zerocap_step_size * gradient / length**NORM_POWER
    return step


def _paired(tensors: list[Tensor]) -> Pairs:
    return list(zip(tensors[::2], tensors[1::2], strict=True))
