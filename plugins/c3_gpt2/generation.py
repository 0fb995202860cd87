"""Running transformers' `generate` from a prefix of embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from c3_gpt2.captions import SAMPLING, CaptionOptions


def continue_prefix(
    model: Any, prefix: Tensor, options: CaptionOptions, end: int, generator: torch.Generator | None
) -> Tensor:
    """(n, p, width) prefixes to (n, t) generated token ids, padded with `end` after the first `end`."""
    with seeded(generator) if options.do_sample else nullcontext(), warnings.catch_warnings():
        # That penalties see the generated tokens alone, not the prefix, is what is meant.
        warnings.filterwarnings(
            "ignore", message="Passing `(repetition_penalty|no_repeat_ngram_size)` with `inputs_embeds`"
        )
        ids: Tensor = model.generate(
            inputs_embeds=prefix,
            attention_mask=torch.ones(prefix.shape[:2], dtype=torch.long, device=prefix.device),
            generation_config=_config(options, end),
        )
    return ids


def _config(options: CaptionOptions, end: int) -> GenerationConfig:
    ours = {"batch_size", "scores", "precision"}
    idle = set() if options.do_sample else set(SAMPLING)
    if not options.min_new_tokens:
        idle.add("min_new_tokens")
    chosen = options.model_dump(exclude=ours | idle, exclude_none=True)
    return GenerationConfig(eos_token_id=end, pad_token_id=end, **chosen)


@contextmanager
def seeded(generator: torch.Generator | None) -> Iterator[None]:
    """Transformers draws from torch's global generators: seed them from `generator` for a while, then put them back."""
    device = "cpu" if generator is None else generator.device
    seed = int(torch.randint(2**62, (), generator=generator, device=device))
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kind, count = (accelerator.type, torch.accelerator.device_count()) if accelerator else ("cuda", 0)
    with torch.random.fork_rng(range(count), device_type=kind):
        torch.manual_seed(seed)
        yield
