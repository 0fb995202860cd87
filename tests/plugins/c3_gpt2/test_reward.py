"""Training with a reward for captions that the space finds near to unpaired photos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.guidance.self_critical import rewards
from c3_playground.world import World
from c3core import load_bridge, load_decoder, load_space
from c3core.errors import WrongCall
from c3core.pipeline import Pipeline
from tests.helpers.spaces import DECODER, TRAINING, pictures, write_space


@dataclass
class Words:
    """An encoder that likes the letter e: it notes what it was asked."""

    photos: Tensor
    asked: list[list[str]] = field(default_factory=list)

    def inputs(self, count: int) -> Tensor:
        return self.photos[:count]

    def conditions(self, outputs: Any) -> Tensor:
        self.asked.append(list(outputs))
        return torch.stack([torch.full((8,), text.count("e") - 1.5).add(self.photos[0]) for text in outputs])

    def with_gradient(self, batch: Tensor) -> Tensor:
        raise NotImplementedError


@pytest.fixture
def decoder(gpt2_folder: Path, sentences: list[str]) -> CaptionDecoder:
    torch.manual_seed(0)
    decoder = CaptionDecoder(
        8, model=str(gpt2_folder), prefix_length=3, dropout=0.0, reward_weight=2.0, generation={"max_new_tokens": 5}
    )
    decoder.prepare(sentences)
    decoder.output_encoder = Words(torch.randn(4, 8, generator=torch.Generator().manual_seed(3)))
    return decoder.eval()


def test_the_loss_is_that_of_the_sentences_and_the_reward_by_hand(
    decoder: CaptionDecoder, sentences: list[str]
) -> None:
    conditions, batch = torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), decoder.collate(sentences)
    (objective,) = decoder.objectives()
    parameters = [*decoder.parameters()]
    torch.manual_seed(5)
    loss = objective.loss(conditions, batch)
    encoder = decoder.output_encoder
    assert isinstance(encoder, Words)
    sampled, greedy = encoder.asked
    assert greedy == decoder.generate(encoder.photos)
    assert sampled != greedy
    by_hand = decoder.loss(conditions, batch)
    lengths = decoder.collate(sampled).keep.sum(1)
    for photo, one, other, length in zip(encoder.photos, sampled, greedy, lengths, strict=True):
        gain = rewards(encoder, [one], photo[None]) - rewards(encoder, [other], photo[None])
        nll = length * decoder.loss(photo[None], decoder.collate([one]))  # −log p of the whole caption
        by_hand = by_hand + 2.0 * gain[0] * nll / lengths.sum()
    torch.testing.assert_close(loss, by_hand, rtol=1e-5, atol=1e-5)
    ours, plain = (torch.autograd.grad(each, parameters) for each in (loss, by_hand))
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_a_caption_that_cannot_be_read_has_the_least_reward() -> None:
    class Deaf(Words):
        def conditions(self, outputs: Any) -> Tensor:
            return torch.full((len(outputs), 8), torch.nan)

    assert rewards(Deaf(torch.ones(1, 8)), ["a"], torch.ones(1, 8)).tolist() == [-1.0]


def test_without_a_space_there_is_no_reward(decoder: CaptionDecoder, sentences: list[str]) -> None:
    decoder.output_encoder = None
    with pytest.raises(WrongCall, match="reward_weight needs"):
        decoder.objectives()[0].loss(torch.zeros(4, 8), decoder.collate(sentences))


def test_a_pipeline_gives_its_unpaired_photos(tmp_path: Path) -> None:
    space = load_space(str(write_space(tmp_path / "space")))

    def fit(items: dict[str, Any], weight: float) -> list[Tensor]:
        torch.manual_seed(0)
        decoder = load_decoder("gpt2", space=space, **DECODER, reward_weight=weight, generation={"max_new_tokens": 6})
        pipeline = Pipeline(space, load_bridge("c3"), decoder).fit(items, training=TRAINING, quiet=True)
        assert decoder.output_encoder is not None
        if weight:
            known = pipeline.condition(space.encode(items["image"], "image"), "image")
            drawn = decoder.output_encoder.inputs(5)
            assert torch.cdist(drawn, known).min(dim=1).values.max() < 1e-3
        return [parameter.detach() for parameter in decoder.parameters()]

    texts = World().sentences(40, modality="image")
    items = {"text": texts, "image": pictures(30)}
    rewarded, again, plain = fit(items, 1.0), fit(items, 1.0), fit(items, 0.0)
    assert all(map(torch.equal, rewarded, again))
    assert not all(map(torch.equal, rewarded, plain))
    with pytest.raises(WrongCall, match="give `fit` some"):
        fit({"text": texts}, 1.0)
