"""Time captions made in a batch with a key-value cache against a plain loop: one caption at a time, without a cache.

    python benchmarks/captioning.py
    python benchmarks/captioning.py --json

The model is GPT-2 (124 million weights, drawn at random) with ten prefix tokens, and all captions have the same length.
The loop computes in float32, as the reference code does. The batch computes in float32, and in bfloat16 if the
processor can. They take turns, so that other work on the machine slows all of them; each figure is the median.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.language import Language
from c3core.runtime import compute_dtype, progress_bar

CONDITION_DIM = 512
Result = TypeVar("Result")


def gpt2() -> Language:
    """Build GPT-2 in its original size, with a tokenizer of as many made-up words."""
    config = GPT2Config()
    words = {f"w{i} ": i for i in range(config.vocab_size - 1)} | {"<|endoftext|>": config.vocab_size - 1}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0 "))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    return Language(GPT2LMHeadModel(config), fast)


@torch.inference_mode()
def one_at_a_time(decoder: CaptionDecoder, conditions: Tensor, tokens: int) -> list[str]:
    """Decode greedily as the reference code does: run the model on the whole sequence for each token."""
    language, captions = decoder.language, list[str]()
    assert language is not None
    for condition in conditions:
        embeddings, ids = decoder.mapping(condition[None]), []
        for _ in range(tokens):
            logits = decoder.model(inputs_embeds=embeddings, use_cache=False).logits[:, -1]
            logits[:, language.end] = -torch.inf  # all captions have the same length
            ids.append(logits.argmax(-1))
            embeddings = torch.cat([embeddings, decoder.model.get_input_embeddings()(ids[-1])[:, None]], dim=1)
        captions.append(language.tokenizer.decode(torch.cat(ids)).strip())
    return captions


def timed(run: Callable[[], Result]) -> tuple[float, Result]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def measure(captions: int, tokens: int, looped: int, rounds: int) -> dict[str, Any]:
    """Time a caption. Each round makes `looped` captions in the loop and all of them in a batch."""
    torch.manual_seed(0)
    decoder = CaptionDecoder(CONDITION_DIM, language=gpt2(), device="cpu")
    decoder.prepare([])
    decoder.eval()
    conditions = torch.nn.functional.normalize(torch.randn(captions, CONDITION_DIM), dim=-1)
    options = {"max_new_tokens": tokens, "min_new_tokens": tokens, "batch_size": captions}
    computes_bfloat16 = compute_dtype("bfloat16", torch.device("cpu")) is torch.bfloat16
    precisions = ["float32", "bfloat16"] if computes_bfloat16 else ["float32"]

    def batch(precision: str) -> list[str]:
        return list(decoder.generate(conditions, {**options, "precision": precision}))

    seconds: dict[str, list[float]] = {name: [] for name in ("loop", *precisions)}
    with progress_bar("captioning", total=(rounds + 1) * len(precisions) + rounds) as bar:
        for precision in reversed(precisions):  # the first batch of each is slower, and not measured
            expected = batch(precision)
            bar.advance()
        for number in range(rounds):
            some = torch.arange(number * looped, (number + 1) * looped) % captions
            spent, found = timed(partial(one_at_a_time, decoder, conditions[some], tokens))
            if found != [expected[i] for i in some.tolist()]:
                raise SystemExit("the loop and the batch made different captions, so nothing was measured")
            seconds["loop"].append(spent / looped)
            bar.advance()
            for precision in precisions:
                spent, _ = timed(partial(batch, precision))
                seconds[precision].append(spent / captions)
                bar.advance()
    figures = {name: median(values) for name, values in seconds.items()}
    return {
        "captions": captions,
        "tokens": tokens,
        "looped": looped * rounds,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "milliseconds_per_caption": {name: round(1000 * value, 2) for name, value in figures.items()},
        "times_faster": {name: round(figures["loop"] / figures[name], 1) for name in precisions},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, default=64, help="captions in a batch")
    parser.add_argument("--tokens", type=int, default=20, help="tokens in a caption")
    parser.add_argument("--looped", type=int, default=8, help="captions that the loop makes in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure(arguments.captions, arguments.tokens, arguments.looped, arguments.rounds)
    if arguments.json:
        print(json.dumps(result))
        return
    milliseconds = result["milliseconds_per_caption"]
    print(f"captions of {arguments.tokens} tokens, GPT-2 (124M), {result['threads']} threads")
    print(f"{'':36}{'ms a caption':>14}{'times faster':>14}")
    print(f"{'one at a time, no cache, float32':36}{milliseconds['loop']:14.1f}{1.0:14.1f}")
    for precision, times_faster in result["times_faster"].items():
        name = f"batch of {arguments.captions}, cache, {precision}"
        print(f"{name:36}{milliseconds[precision]:14.1f}{times_faster:14.1f}")


if __name__ == "__main__":
    main()
