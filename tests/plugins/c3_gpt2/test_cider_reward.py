"""The reward CIDEr against pycocoevalcap's, and a training with it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from c3_gpt2.caption import CaptionOptions
from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.guidance.cider import Cider
from c3_playground.world import World
from c3core.errors import WrongCall

scorer = pytest.importorskip("pycocoevalcap.cider.cider_scorer", reason="needs the extra metrics")


def test_cider_is_that_of_pycocoevalcap() -> None:
    words = [re.sub("[^a-z ]", " ", sentence.lower()) for sentence in World().sentences(40, modality="image")]
    captions = words[7:] + words[:7]
    theirs = scorer.CiderScorer(n=4, sigma=6.0)
    for caption, sentence in zip(captions, words, strict=True):
        theirs += (caption, [sentence])
    _, expected = theirs.compute_score()
    ours = Cider(words)
    found = [ours(caption, sentence) for caption, sentence in zip(captions, words, strict=True)]
    assert max(found) > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(("caption", "sentence"), [("", "a dog"), ("a dog", ""), ("", ""), ("!", "?"), ("cat", "dog")])
def test_nothing_in_common_is_worth_nothing(caption: str, sentence: str) -> None:
    assert Cider(["a dog", "a cat"])(caption, sentence) == 0


@pytest.mark.parametrize(
    "use", [{}, {"guidance": "rerank", "num_beams": 3, "rerank_weight": 0.1, "length_penalty": 0.5}]
)
def test_a_training_makes_captions_better_by_cider(gpt2_folder, use) -> None:
    """The loss is that of the sentences and the reward by hand; steps on it raise the greedy captions' CIDEr."""
    sentences, eye = ["a red circle", "a blue square", "a green star", "two dogs run"], torch.eye(8)[:4]
    torch.manual_seed(0)
    decoder = CaptionDecoder(
        8,
        model=str(gpt2_folder),
        prefix_length=2,
        dropout=0.0,
        reward="cider",
        reward_weight=20.0,
        generation={"max_new_tokens": 6, **use},
    )
    decoder.prepare(sentences)
    (objective,), batch = decoder.objectives(), decoder.collate(sentences)
    cider, optimizer = Cider(sentences), torch.optim.Adam(decoder.parameters(), lr=3e-3)

    def score() -> float:
        return sum(map(cider, decoder.eval().generate(eye, CaptionOptions(max_new_tokens=6)), sentences))

    before = score()
    for _ in range(25):
        optimizer.zero_grad()
        objective.loss(eye, batch).backward()
        optimizer.step()
    assert score() > before + 5


def test_it_needs_the_sentences(gpt2_folder) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder))
    decoder.prepare(["a dog"])
    decoder.reconfigure({"reward": "cider", "reward_weight": 1.0})
    batch = decoder.collate(["a dog"])
    with pytest.raises(WrongCall, match=r"Call decoder.prepare\(sentences\) first"):
        decoder.objectives()[0].loss(torch.zeros(1, 8), batch)
    decoder.prepare(["a dog"])  # as each fit does
    assert decoder.objectives()[0].loss(torch.zeros(1, 8), batch).isfinite()
