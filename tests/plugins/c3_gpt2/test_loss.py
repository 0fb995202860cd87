"""The loss against transformers' own, computed one sentence at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.tokens import Tokens
from c3core.errors import C3Error


@pytest.fixture(params=["gpt2", "llama"])
def decoder(request: pytest.FixtureRequest, gpt2_folder: Path, llama_folder: Path) -> CaptionDecoder:
    torch.manual_seed(0)
    folder = {"gpt2": gpt2_folder, "llama": llama_folder}[request.param]
    decoder = CaptionDecoder(8, model=str(folder), prefix_length=3, device="cpu")
    decoder.prepare([])
    return decoder.eval()


def conditions(n: int) -> Tensor:
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(0))


def upstream(decoder: CaptionDecoder, condition: Tensor, sentence: str) -> tuple[Tensor, int]:
    """Transformers' loss of one sentence with its end, which shifts the labels itself, and the number of its tokens."""
    assert decoder.language is not None
    tokenizer = decoder.language.tokenizer
    ids = torch.tensor([[*tokenizer(sentence)["input_ids"], tokenizer.eos_token_id]])
    prefix = decoder.mapping(condition[None])
    inputs = torch.cat([prefix, decoder.model.get_input_embeddings()(ids)], dim=1)
    labels = torch.cat([torch.full((1, prefix.shape[1]), -100), ids], dim=1)
    return decoder.model(inputs_embeds=inputs, labels=labels).loss, ids.shape[1]


def test_batch_is_the_token_weighted_mean_of_one_by_one(decoder: CaptionDecoder, sentences: list[str]) -> None:
    sentences = sentences * 5  # more rows than go through the model at once
    rows = conditions(len(sentences))
    batch = decoder.collate(sentences)
    assert not batch.keep.all(), "the sentences must differ in length"
    each = [upstream(decoder, row, sentence) for row, sentence in zip(rows, sentences, strict=True)]
    expected = sum(loss * count for loss, count in each) / sum(count for _, count in each)
    torch.testing.assert_close(decoder.loss(rows, batch), expected, rtol=1e-5, atol=1e-5)


def test_gradient_is_that_of_transformers(decoder: CaptionDecoder, sentences: list[str]) -> None:
    row, sentence = conditions(1), sentences[1]
    parameters = [parameter for parameter in decoder.parameters() if parameter.requires_grad]
    ours = torch.autograd.grad(decoder.loss(row, decoder.collate([sentence])), parameters)
    theirs = torch.autograd.grad(upstream(decoder, row[0], sentence)[0], parameters)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_what_stands_in_the_padding_does_not_matter(decoder: CaptionDecoder, sentences: list[str]) -> None:
    rows, batch = conditions(len(sentences)), decoder.collate(sentences)
    other = Tokens(torch.where(batch.keep, batch.ids, 7), batch.keep)
    assert not torch.equal(other.ids, batch.ids)
    torch.testing.assert_close(decoder.loss(rows, other), decoder.loss(rows, batch), rtol=1e-6, atol=1e-6)


def test_the_end_is_learned(decoder: CaptionDecoder) -> None:
    """An empty sentence is its end alone: its loss is -log p(end | prefix)."""
    row = conditions(1)
    logits = decoder.model(inputs_embeds=decoder.mapping(row)).logits[0, -1]
    assert decoder.language is not None
    expected = -torch.log_softmax(logits, -1)[decoder.language.end]
    torch.testing.assert_close(decoder.loss(row, decoder.collate([""])), expected, rtol=1e-5, atol=1e-5)


def test_bfloat16_is_near_float32(gpt2_folder: Path, sentences: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    losses = []
    for precision in ("float32", "bfloat16"):
        torch.manual_seed(0)
        decoder = CaptionDecoder(8, model=str(gpt2_folder), precision=precision, device="cpu")
        decoder.prepare([])
        loss = decoder.eval().loss(conditions(4), decoder.collate(sentences))
        loss.backward()
        assert loss.dtype == torch.float32
        assert all(parameter.dtype == torch.float32 for parameter in decoder.parameters())
        losses.append(loss.item())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


@pytest.mark.parametrize("train", ["all", "mapping", "lora"])
def test_what_is_trained(train: str, gpt2_folder: Path, sentences: list[str]) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder), train=train, device="cpu")
    decoder.prepare([])
    before = {name: value.clone() for name, value in decoder.state_dict().items()}
    optimizer = torch.optim.SGD(decoder.objectives()[0].parameters, lr=0.5)
    for _ in range(2):  # the first step of LoRA moves one of its two factors only
        optimizer.zero_grad()
        decoder.train().loss(conditions(4), decoder.collate(sentences)).backward()
        optimizer.step()
    moved = {name for name, value in decoder.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("mapping.") for name in moved)
    of_the_model = {name for name in moved if name.startswith("model.")}
    if train == "mapping":
        assert of_the_model == set()
    elif train == "lora":
        assert of_the_model
        assert all(".lora_" in name for name in of_the_model)
    else:
        assert "model.transformer.wte.weight" in of_the_model


def test_a_frozen_model_keeps_its_dropout_off(gpt2_folder: Path, sentences: list[str]) -> None:
    frozen, whole = (
        CaptionDecoder(8, model=str(gpt2_folder), train=train, device="cpu") for train in ("mapping", "all")
    )
    for decoder, varies in ((frozen, False), (whole, True)):
        decoder.prepare([])
        decoder.train()
        one, other = (decoder.loss(conditions(4), decoder.collate(sentences)) for _ in range(2))
        assert bool(one != other) is varies


def test_dropout_can_be_set_where_there_is_any(gpt2_folder: Path, llama_folder: Path) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder), dropout=0.3, device="cpu")
    assert {m.p for m in decoder.model.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}
    CaptionDecoder(8, model=str(llama_folder), dropout=0.0, device="cpu")
    with pytest.raises(C3Error, match="has no dropout layers"):
        CaptionDecoder(8, model=str(llama_folder), dropout=0.3, device="cpu")


def test_cutting_is_said_once(gpt2_folder: Path) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder), max_tokens=2, device="cpu")
    decoder.prepare([])
    with pytest.warns(UserWarning, match="longer than 2 tokens"):
        decoder.collate(["a red circle on the left"])
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoder.collate(["a red circle on the left"])


@pytest.mark.parametrize(("targets", "message"), [([], "empty batch"), (["a", 3], "must be strings, got int")])
def test_bad_targets_are_refused(decoder: CaptionDecoder, targets: list[object], message: str) -> None:
    with pytest.raises(C3Error, match=message):
        decoder.collate(targets)  # type: ignore[arg-type]


def test_fresh_weights_follow_the_global_seed(sentences: list[str]) -> None:
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        decoder = CaptionDecoder(8, model="fresh", layers=1, heads=1, width=16, vocabulary=300, device="cpu")
        decoder.prepare(sentences)
        states.append(torch.cat([parameter.flatten() for parameter in decoder.parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_preparing_again_changes_nothing(decoder: CaptionDecoder, sentences: list[str]) -> None:
    rows, batch = conditions(4), decoder.collate(sentences)
    before = decoder.loss(rows, batch)
    decoder.prepare(["entirely other words"])
    assert torch.equal(decoder.loss(rows, decoder.collate(sentences)), before)
