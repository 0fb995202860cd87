"""Generating against a plain loop: one item at a time, no cache, no `generate` of transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from c3_gpt2.bfloat16_copy import Bfloat16Copy
from c3_gpt2.caption import CaptionOptions
from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.generation import continue_prefix
from c3core.errors import C3Error


@pytest.fixture(scope="module", params=["gpt2", "llama", "fresh"])
def decoder(
    request: pytest.FixtureRequest, gpt2_folder: Path, llama_folder: Path, sentences: list[str]
) -> CaptionDecoder:
    """Trained for a moment, so that captions differ, end by themselves and come in several lengths."""
    options = {
        "gpt2": {"model": str(gpt2_folder)},
        "llama": {"model": str(llama_folder)},
        "fresh": {"model": "fresh", "layers": 2, "heads": 2, "width": 32, "vocabulary": 300},
    }[request.param]
    torch.manual_seed(0)
    decoder = CaptionDecoder(8, prefix_length=3, device="cpu", **options)
    decoder.prepare(sentences)
    batch, optimizer = decoder.collate(sentences), torch.optim.AdamW(decoder.parameters(), lr=5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        decoder.train().loss(known(), batch).backward()
        optimizer.step()
    return decoder.eval()


def known() -> Tensor:
    return torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def conditions(n: int = 9) -> Tensor:
    """The four that were trained on, and mixtures of them."""
    mixed = torch.rand(n - 4, 4, generator=torch.Generator().manual_seed(1)) @ known()
    return torch.cat([known(), mixed])


@torch.no_grad()
def plain_loop(decoder: CaptionDecoder, condition: Tensor, most: int) -> tuple[str, list[float]]:
    """A greedy caption with the log-probability of each of its tokens."""
    assert decoder.language is not None
    tokenizer = decoder.language.tokenizer
    embeddings, ids, scores = decoder.mapping(condition[None]), [], []
    while len(ids) < most and tokenizer.eos_token_id not in ids:
        logits = decoder.model(inputs_embeds=embeddings, use_cache=False).logits[0, -1]
        ids.append(int(logits.argmax()))
        scores.append(float(torch.log_softmax(logits.double(), -1)[ids[-1]]))
        word = decoder.model.get_input_embeddings()(torch.tensor([ids[-1:]]))
        embeddings = torch.cat([embeddings, word], dim=1)
    return " ".join(tokenizer.decode(ids, skip_special_tokens=True).split()), scores


def test_greedy_is_the_plain_loop(decoder: CaptionDecoder, sentences: list[str]) -> None:
    captions = decoder.generate(conditions(), {"max_new_tokens": 20, "scores": True})
    assert captions[:4] == sentences
    for caption, condition in zip(captions, conditions(), strict=True):
        text, scores = plain_loop(decoder, condition, 20)
        assert caption == text
        assert caption.score == pytest.approx(sum(scores) / len(scores), abs=1e-5)


def test_a_cut_caption_has_the_score_of_its_tokens(decoder: CaptionDecoder) -> None:
    [caption] = decoder.generate(known()[1:2], {"max_new_tokens": 2, "scores": True})
    text, scores = plain_loop(decoder, known()[1], 2)
    assert caption == text
    assert len(scores) == 2
    assert caption.score == pytest.approx(sum(scores) / 2, abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 3},
        {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
        {"do_sample": True, "temperature": 2.0},
        {"do_sample": True, "top_k": 5, "top_p": 0.9, "renormalize_logits": True},
        {"do_sample": True, "num_beams": 2},
    ],
)
@pytest.mark.parametrize("size", [1, 2, 64])
def test_captions_do_not_depend_on_the_batch(decoder: CaptionDecoder, options: dict[str, object], size: int) -> None:
    whole, parts = (
        decoder.generate(
            conditions(),
            {"max_new_tokens": 10, "batch_size": batch_size, **options},
            generator=torch.Generator().manual_seed(0),
        )
        for batch_size in (64, size)
    )
    assert parts == whole


def test_a_beam_finds_what_is_at_least_as_likely(decoder: CaptionDecoder) -> None:
    """By the score that it searches with, the sum over the tokens divided by their number."""
    options = {"max_new_tokens": 10, "scores": True}
    greedy = decoder.generate(conditions(), options)
    beam = decoder.generate(conditions(), {**options, "num_beams": 8})
    assert sum(c.score or 0 for c in beam) >= sum(c.score or 0 for c in greedy) - 1e-5


def test_the_language_models_own_settings_do_not_leak_in(gpt2_folder: Path, tmp_path: Path) -> None:
    """A model that ships with sampling and penalties switched on is greedy here unless asked."""
    shutil.copytree(gpt2_folder, tmp_path / "model")
    habits = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0, "min_new_tokens": 5, "top_k": 3}
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps(habits))
    captions = []
    for folder in (gpt2_folder, tmp_path / "model"):
        torch.manual_seed(0)
        decoder = CaptionDecoder(8, model=str(folder), device="cpu")
        decoder.prepare([])
        captions.append(decoder.generate(known()))
    assert captions[0] == captions[1]


def test_sampling(decoder: CaptionDecoder) -> None:
    def draw(seed: int, **options: object) -> list[str]:
        generator = torch.Generator().manual_seed(seed)
        return decoder.generate(known(), {"max_new_tokens": 8, "do_sample": True, **options}, generator=generator)

    assert draw(0, temperature=2.0) == draw(0, temperature=2.0) != draw(1, temperature=2.0)
    greedy = decoder.generate(known(), {"max_new_tokens": 8})
    assert draw(0, top_k=1) == draw(1, top_p=1e-6) == draw(2, temperature=1e-4) == draw(3, min_p=1.0) == greedy
    assert draw(0, epsilon_cutoff=0.99) == greedy, "the likeliest token is always kept"
    assert draw(0, eta_cutoff=0.5, temperature=2.0) != draw(0, temperature=2.0)
    assert draw(0, typical_p=0.01, temperature=2.0) != draw(0, temperature=2.0)
    generator = torch.Generator().manual_seed(0)
    options = {"max_new_tokens": 8, "do_sample": True, "temperature": 2.0}
    one, other = (decoder.generate(known(), options, generator=generator) for _ in range(2))
    assert one != other, "one generator goes on"


def test_a_suppressed_token_is_never_written(decoder: CaptionDecoder) -> None:
    assert decoder.language is not None
    words = decoder.language.tokenizer
    plain = decoder.generate(known(), {"max_new_tokens": 4})
    (first, *_) = words(plain[0])["input_ids"]
    without = decoder.generate(known(), {"max_new_tokens": 4, "suppress_tokens": [first]})
    assert without[0] != plain[0]
    assert all(first not in words(caption)["input_ids"][:1] for caption in without)


def test_sampling_follows_the_distribution(decoder: CaptionDecoder) -> None:
    """The likeliest first tokens over 4,000 draws against their probabilities, within four standard deviations."""
    condition = conditions()[5:6]
    with torch.no_grad():
        logits = decoder.model(inputs_embeds=decoder.mapping(condition)).logits[0, -1]
    likely = torch.softmax(logits / 1.5, -1)
    count, best = 4000, likely.argsort(descending=True)[:3]
    for options, expected in (({}, likely), ({"top_k": 3}, likely * torch.isin(torch.arange(len(likely)), best))):
        chosen = CaptionOptions(max_new_tokens=1, do_sample=True, temperature=1.5, **options)
        generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
        with torch.no_grad():
            prefix = decoder.mapping(condition.expand(count, -1))
            ids = continue_prefix(decoder.model, prefix, chosen, 0, generators, decoder.language.tokenizer)[:, 0]
        expected = expected / expected.sum()
        for token in best:
            share, p = (ids == token).float().mean(), expected[token]
            assert abs(share - p) < 4 * (p * (1 - p) / count).sqrt()
        assert not (expected[ids] == 0).any()


def test_at_least_so_many_tokens(decoder: CaptionDecoder) -> None:
    short = decoder.generate(known()[:1], {"max_new_tokens": 12})
    long = decoder.generate(known()[:1], {"max_new_tokens": 12, "min_new_tokens": 12})
    assert len(long[0]) > len(short[0])


def test_more_tokens_than_positions_are_refused(decoder: CaptionDecoder) -> None:
    assert decoder.language is not None
    room = (decoder.language.positions or 0) - 3
    assert len(decoder.generate(known()[:1], {"max_new_tokens": room, "min_new_tokens": room})) == 1
    with pytest.raises(C3Error, match=f"room for {room}"):
        decoder.generate(known()[:1], {"max_new_tokens": room + 1})


def test_bfloat16_says_what_was_learned(
    decoder: CaptionDecoder, sentences: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    captions = decoder.generate(known(), {"precision": "bfloat16", "scores": True})
    exact = decoder.generate(known(), {"scores": True})
    assert captions == exact == sentences
    for caption, other in zip(captions, exact, strict=True):
        assert caption.score != other.score
        assert caption.score == pytest.approx(other.score, abs=0.05)
    assert {parameter.dtype for parameter in decoder.parameters()} == {torch.float32}


def test_a_processor_that_would_emulate_bfloat16_generates_in_float32(
    decoder: CaptionDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    scores = [
        [caption.score for caption in decoder.generate(known(), {"precision": precision, "scores": True})]
        for precision in ("float32", "bfloat16")
    ]
    assert scores[0] == scores[1]


def test_the_bfloat16_copy_follows_the_weights(gpt2_folder: Path) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder), device="cpu")
    copy, model = Bfloat16Copy(), decoder.model
    first = copy.of(model)
    assert copy.of(model) is first
    assert first.lm_head.weight is first.transformer.wte.weight, "tied weights stay tied"
    assert first.lm_head.weight.dtype == torch.bfloat16
    changes = [
        lambda: torch.optim.SGD(model.parameters(), lr=0.1).step(),
        lambda: model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()}),
        lambda: torch.nn.init.normal_(model.lm_head.weight),
    ]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    for change in changes:
        before = copy.of(model).lm_head.weight.clone()
        change()
        after = copy.of(model).lm_head.weight
        assert not torch.equal(after, before)
        assert torch.equal(after, model.lm_head.weight.to(torch.bfloat16))


def test_rotary_frequencies_stay_exact(llama_folder: Path) -> None:
    model = CaptionDecoder(8, model=str(llama_folder), device="cpu").model
    copy = Bfloat16Copy().of(model)
    for (name, buffer), (_, other) in zip(model.named_buffers(), copy.named_buffers(), strict=True):
        assert other.dtype == buffer.dtype == torch.float32, name
        assert torch.equal(buffer, other), name
