"""The settings of the C3 paper's captioner against a plain loop that is written from its description.

A sentence has no end of text. The loss is the mean cross-entropy of its tokens after a prefix of ten, which an MLP with
one hidden layer and a tanh makes of the condition. A caption is greedy and ends with a full stop or after 67 tokens.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from c3_gpt2.decoder import CaptionDecoder

SENTENCES = ["a red circle.", "a blue square on the left.", "two green triangles.", "a small star above a cross."]
OPTIONS = {"max_new_tokens": 67, "stop_strings": ["."]}


@pytest.fixture(scope="module")
def decoder(gpt2_folder: Path) -> CaptionDecoder:
    """Trained for a moment, so that captions end."""
    torch.manual_seed(0)
    decoder = CaptionDecoder(8, model=str(gpt2_folder), end_of_text=False, dropout=0.0, device="cpu")
    decoder.prepare(SENTENCES)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        decoder.loss(conditions(), decoder.collate(SENTENCES)).backward()
        optimizer.step()
    return decoder.eval()


def conditions() -> Tensor:
    return torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def prefix_of(decoder: CaptionDecoder, condition: Tensor) -> Tensor:
    first, _, second, _ = decoder.mapping  # the tanh, and the cut into ten tokens
    return (torch.tanh(condition @ first.weight.T + first.bias) @ second.weight.T + second.bias).reshape(1, 10, 32)


def plain_loss(decoder: CaptionDecoder) -> Tensor:
    assert decoder.language is not None
    losses = []
    for condition, sentence in zip(conditions(), SENTENCES, strict=True):
        ids = torch.tensor(decoder.language.tokenizer(sentence)["input_ids"])
        words = decoder.model.transformer.wte(ids)[None]
        logits = decoder.model(inputs_embeds=torch.cat([prefix_of(decoder, condition), words], dim=1)).logits[0]
        losses.append(cross_entropy(logits[9:-1], ids, reduction="none"))
    return torch.cat(losses).mean()


@torch.no_grad()
def plain_caption(decoder: CaptionDecoder, condition: Tensor) -> str:
    assert decoder.language is not None
    text, ids = "", list[int]()
    while "." not in text and len(ids) < 67:
        words = decoder.model.transformer.wte(torch.tensor(ids, dtype=torch.long))[None]
        inputs = torch.cat([prefix_of(decoder, condition), words], dim=1)
        ids.append(int(decoder.model(inputs_embeds=inputs).logits[0, -1].argmax()))
        text = decoder.language.tokenizer.decode(ids)
    return " ".join(text.split())


def test_the_loss_and_its_gradient_are_those_of_the_plain_loop(decoder: CaptionDecoder) -> None:
    parameters = [*decoder.parameters()]
    loss, plain = decoder.loss(conditions(), decoder.collate(SENTENCES)), plain_loss(decoder)
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-5)
    ours, theirs = (torch.autograd.grad(each, parameters) for each in (loss, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_captions_are_those_of_the_plain_loop(decoder: CaptionDecoder) -> None:
    unseen = 0.5 * (conditions()[:3] + conditions()[1:])
    for rows in (conditions(), unseen):
        assert decoder.generate(rows, OPTIONS) == [plain_caption(decoder, row) for row in rows]
    assert decoder.generate(conditions(), OPTIONS) == SENTENCES


@pytest.mark.parametrize("more", [{"num_beams": 3}, {"do_sample": True, "temperature": 0.1}])
def test_each_way_of_generating_ends_with_a_stop_string(decoder: CaptionDecoder, more: dict[str, object]) -> None:
    assert decoder.generate(conditions(), OPTIONS | more) == SENTENCES


def test_the_score_is_that_of_the_tokens_before_the_stop(decoder: CaptionDecoder) -> None:
    captions = decoder.generate(conditions(), {**OPTIONS, "scores": True})
    total = sum(-caption.score * len(decoder.language.tokenizer(caption)["input_ids"]) for caption in captions)
    count = sum(len(decoder.language.tokenizer(caption)["input_ids"]) for caption in captions)
    assert total / count == pytest.approx(plain_loss(decoder).item(), abs=1e-5)


def test_empty_sentences_have_nothing_to_learn(decoder: CaptionDecoder) -> None:
    assert decoder.loss(conditions()[:2], decoder.collate(["", ""])).item() == 0
    mixed = decoder.loss(conditions()[:2], decoder.collate(["", SENTENCES[1]]))
    alone = decoder.loss(conditions()[1:2], decoder.collate(SENTENCES[1:2]))
    torch.testing.assert_close(mixed, alone, rtol=1e-5, atol=1e-6)
