"""Run transformers' `generate` from a prefix of embeddings, with a random generator for each row."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedTokenizerBase
from transformers.generation import logits_process

from c3_gpt2.caption import SAMPLING, CaptionOptions
from c3_gpt2.guidance.options import GuidanceOptions


def continue_prefix(
    model: Any,
    prefix: Tensor,
    options: CaptionOptions,
    end: int,
    generators: Sequence[torch.Generator],
    tokenizer: PreTrainedTokenizerBase,
) -> Tensor:
    """Generate token ids (n, t) after prefixes (n, p, width); (n · num_beams, t), all beams, for guidance=rerank.

    After the first `end`, or the first of `stop_strings`, a row is padded with `end`. `tokenizer` knows those strings.
    """
    if options.do_sample and options.num_beams > 1:  # transformers draws beams from torch's global generator
        rows = []
        for row, generator in zip(prefix, generators, strict=True):
            with _seeded(generator):
                rows.append(_generate(model, row[None], _config(options, end), tokenizer)[0])
        return pad_sequence(rows, batch_first=True, padding_value=end)
    sampling = [*_warpers(options, prefix.device), RowSampler(generators)] if options.do_sample else []
    return _generate(model, prefix, _config(options, end), tokenizer, sampling)


def _generate(
    model: Any,
    prefix: Tensor,
    config: GenerationConfig,
    tokenizer: PreTrainedTokenizerBase,
    processors: Sequence[LogitsProcessor] = (),
) -> Tensor:
    with warnings.catch_warnings():
        # Penalties see only the generated tokens, not the prefix, as they should.
        warnings.filterwarnings(
            "ignore", message="Passing `(repetition_penalty|no_repeat_ngram_size)` with `inputs_embeds`"
        )
        ids: Tensor = model.generate(
            inputs_embeds=prefix,
            attention_mask=torch.ones(prefix.shape[:2], dtype=torch.long, device=prefix.device),
            generation_config=config,
            tokenizer=tokenizer if config.stop_strings else None,
            logits_processor=LogitsProcessorList(processors),
        )
    return ids


def _config(options: CaptionOptions, end: int) -> GenerationConfig:
    """Options for transformers. One beam samples by `RowSampler`, so that transformers searches greedily."""
    by_beams = options.do_sample and options.num_beams > 1
    unused = {"prompt", "scores", "precision", "do_sample", *GuidanceOptions.model_fields}
    unused |= set() if by_beams else set(SAMPLING)
    if not options.min_new_tokens:
        unused.add("min_new_tokens")
    chosen = options.model_dump(exclude=unused, exclude_none=True)
    if options.guidance == "rerank":
        chosen["num_return_sequences"] = options.num_beams
    return GenerationConfig(eos_token_id=end, pad_token_id=end, do_sample=by_beams, **chosen)


def _warpers(options: CaptionOptions, device: torch.device) -> list[LogitsProcessor]:
    """What transformers does to logits before it samples, in its order."""
    warpers: list[tuple[bool, Any]] = [
        (options.temperature != 1, lambda: logits_process.TemperatureLogitsWarper(options.temperature)),
        (options.top_k > 0, lambda: logits_process.TopKLogitsWarper(options.top_k)),
        (options.top_p < 1, lambda: logits_process.TopPLogitsWarper(options.top_p)),
        (options.min_p is not None, lambda: logits_process.MinPLogitsWarper(options.min_p)),
        (options.typical_p < 1, lambda: logits_process.TypicalLogitsWarper(options.typical_p)),
        (options.epsilon_cutoff > 0, lambda: logits_process.EpsilonLogitsWarper(options.epsilon_cutoff)),
        (options.eta_cutoff > 0, lambda: logits_process.EtaLogitsWarper(options.eta_cutoff, device=str(device))),
    ]
    return [make() for wanted, make in warpers if wanted]


class RowSampler(LogitsProcessor):  # type: ignore[misc]  # transformers has no types
    """Draws the next token of each row from the row's own generator, so that a caption does not depend on its batch.

    All other tokens get the score −∞, so that a greedy search takes the drawn one.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = generators

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        total = scores.double().softmax(dim=-1).cumsum(dim=-1)  # (n, vocabulary)
        draws = [torch.rand(1, generator=own, device=own.device, dtype=torch.float64) for own in self.generators]
        drawn = torch.stack([draw.to(total.device) for draw in draws]) * total[:, -1:]  # (n, 1)
        token = torch.searchsorted(total, drawn, right=True).clamp(max=total.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0.0)


@contextmanager
def _seeded(generator: torch.Generator) -> Iterator[None]:
    """Seed torch's global generators from `generator` inside, and put them back afterwards."""
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kind, count = (accelerator.type, torch.accelerator.device_count()) if accelerator else ("cuda", 0)
    with torch.random.fork_rng(range(count), device_type=kind):
        torch.manual_seed(seed)
        yield
