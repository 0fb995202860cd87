"""Choosing among the captions of a beam search by likeness and score, against a plain loop."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from c3_gpt2.caption import Caption, CaptionOptions
from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.guidance.rerank import rerank
from c3core.errors import WrongCall

OPTIONS = {"guidance": "rerank", "num_beams": 4, "rerank_weight": 0.3, "max_new_tokens": 5}


class Letters:
    """An encoder of texts: the counts of eight letters. It cannot read an empty text."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def conditions(self, outputs: Any) -> Tensor:
        self.asked += outputs
        rows = [[text.count(letter) - 0.5 for letter in "aeiodrst"] for text in outputs]
        return torch.tensor([row if text else [torch.nan] * 8 for row, text in zip(rows, outputs, strict=True)])


@pytest.fixture
def decoder(sentences: list[str]) -> CaptionDecoder:
    torch.manual_seed(0)
    decoder = CaptionDecoder(8, model="fresh", layers=1, heads=2, width=16, vocabulary=300, device="cpu")
    decoder.prepare(sentences)
    decoder.output_encoder = Letters()
    return decoder.eval()


@pytest.mark.parametrize("weight", [0.0, 0.3, 100.0])
def test_the_best_of_the_captions_is_taken(weight: float) -> None:
    conditions = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    captions = [Caption(text, -k / 3) for k, text in enumerate(["red dot", "a star", "", "ideas", "aa", "a star"])]
    found = rerank(captions, Letters(), conditions, weight=weight)
    for condition, caption, three in zip(conditions, found, (captions[:3], captions[3:]), strict=True):
        totals = {
            one: cosine_similarity(Letters().conditions([one])[0], condition, dim=0).item() + weight * one.score
            for one in three
            if one
        }
        assert caption == max(totals, key=totals.__getitem__)


def test_a_caption_is_one_of_the_beams_and_does_not_depend_on_its_batch(decoder: CaptionDecoder) -> None:
    conditions = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))

    def generate(**more: Any) -> list[Caption]:
        return decoder.generate(conditions, {**OPTIONS, **more})

    assert generate() == generate(batch_size=2)
    near, probable = generate(rerank_weight=0.0), generate(rerank_weight=100.0)
    assert all(other.score >= one.score for one, other in zip(near, probable, strict=True))
    assert near != probable
    encoder = decoder.output_encoder
    assert isinstance(encoder, Letters)
    assert len(encoder.asked) > 5  # beams of several captions


def test_options_that_have_no_effect_are_refused() -> None:
    assert CaptionOptions(**OPTIONS, length_penalty=0.5).num_beams == 4
    for wrong, message in (
        ({"rerank_weight": 0.3}, "rerank_weight has no effect without guidance=rerank"),
        ({"guidance": "rerank"}, "needs num_beams > 1"),
        ({"guidance": "rerank", "num_beams": 2, "do_sample": True}, "to sample, write guidance=null"),
        ({**OPTIONS, "guidance_temperature": 0.5}, "without guidance=magic or zerocap"),
    ):
        with pytest.raises(ValueError, match=message):
            CaptionOptions(**wrong)


def test_it_needs_the_space(decoder: CaptionDecoder) -> None:
    decoder.output_encoder = None
    with pytest.raises(WrongCall, match="needs the space's text encoder"):
        decoder.generate(torch.zeros(1, 8), OPTIONS)
