"""MAGIC and ZeroCap against plain loops written from their papers: one row at a time, without any cache of ours."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from transformers import DynamicCache, GPT2LMHeadModel

from c3_gpt2.caption import CaptionOptions
from c3_gpt2.decoder import CaptionDecoder
from c3_gpt2.tokens import decode
from c3core import Pipeline, load_bridge, load_space
from c3core.errors import C3Error, WrongCall
from tests.helpers.spaces import TRAINING, World, pictures, write_space

CACHE = "cache" if "cache" in signature(GPT2LMHeadModel.forward).parameters else "past_key_values"
STEPS = 5
SETTINGS: dict[str, Any] = {"model": "fresh", "layers": 2, "heads": 2, "width": 32, "vocabulary": 300, "device": "cpu"}
MAGIC = {"guidance": "magic", "magic_k": 7, "magic_alpha": 0.3, "magic_beta": 1.5, "guidance_temperature": 0.1}
ZEROCAP = {
    "guidance": "zerocap",
    "zerocap_candidates": 12,
    "zerocap_iterations": 3,
    "zerocap_step_size": 2.0,
    "zerocap_ce_scale": 0.5,
    "guidance_temperature": 0.02,
}


@pytest.fixture(scope="module", params=[("linear", "c3"), ("none", "c1")], ids=["prefix", "none"])
def pipeline(request: pytest.FixtureRequest, llama_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A captioner on a small space. Its language model is in float64, so that both ways choose the same words."""
    mapping, bridge = request.param
    space = load_space(str(write_space(tmp_path_factory.mktemp("space"))))
    own = {**SETTINGS, "prefix_length": 3} if mapping != "none" else {"model": str(llama_folder), "device": "cpu"}
    torch.manual_seed(0)
    decoder = CaptionDecoder(16, mapping=mapping, **own)
    pipeline = Pipeline(space, load_bridge(bridge), decoder)
    items = {"text": World().sentences(60, modality="image"), "image": pictures(30)}
    pipeline.fit(items, training={**TRAINING, "steps": 40, "learning_rate": 3e-3}, quiet=True)
    decoder.model.double()
    pipeline(pictures(1), max_new_tokens=1)  # gives the decoder its encoder of texts
    return pipeline


def conditions(pipeline: Pipeline) -> Tensor:
    (batch,) = pipeline.encoder("image").encode_batches(pictures(3, "test"))
    return pipeline.condition(batch.embeddings, "image")


def generate(pipeline: Pipeline, options: dict[str, Any], **more: Any) -> list[str]:
    return pipeline.decoder.generate(conditions(pipeline), {"max_new_tokens": STEPS, **options, **more})


# ---- the plain loops


def embed(pipeline: Pipeline, ids: list[int]) -> Tensor:
    words: Tensor = pipeline.decoder.model.get_input_embeddings()(torch.tensor([ids], dtype=torch.long))
    return words


def prefix_of(pipeline: Pipeline, condition: Tensor, prompt: str) -> Tensor:
    decoder = pipeline.decoder
    asked = decoder.language.tokenizer(prompt)["input_ids"] if prompt else []
    if decoder.settings.mapping == "none":
        return embed(pipeline, [decoder.language.tokenizer.eos_token_id, *asked])
    return torch.cat([decoder.mapping(condition[None]).double(), embed(pipeline, asked)], dim=1)


def likeness(pipeline: Pipeline, condition: Tensor, ids: list[list[int]], prompt: str, temperature: float) -> Tensor:
    """softmax(cos / temperature) over texts, each encoded by itself."""
    cosines = []
    for row in ids:
        text = decode(pipeline.decoder.language.tokenizer, torch.tensor([row]), torch.ones(1, len(row)).bool())[0]
        (batch,) = pipeline.encoder("text").encode_batches([f"{prompt} {text}".strip()])
        if not batch.index:  # an empty text
            cosines.append(-1.0)
            continue
        other = pipeline.condition(batch.embeddings, "text")[0]
        cosines.append(cosine_similarity(condition, other, dim=0).item())
    return (torch.tensor(cosines) / temperature).softmax(dim=0)


def written(pipeline: Pipeline, next_token: Callable[[list[int]], int]) -> str:
    language = pipeline.decoder.language
    ids: list[int] = []
    while len(ids) < STEPS and ids[-1:] != [language.end]:
        ids.append(next_token(ids))
    return decode(language.tokenizer, torch.tensor([ids]), torch.ones(1, len(ids)).bool())[0]


@torch.no_grad()
def plain_magic(pipeline: Pipeline, condition: Tensor, prompt: str = "") -> str:
    model, prefix = pipeline.decoder.model, prefix_of(pipeline, condition, prompt)

    def run(ids: list[int]) -> tuple[Tensor, Tensor]:
        inputs = torch.cat([prefix, embed(pipeline, ids)], dim=1)
        out = model(inputs_embeds=inputs, output_hidden_states=True)
        return out.logits[0, -1], out.hidden_states[-1][0]

    def next_token(ids: list[int]) -> int:
        logits, context = run(ids)
        p, tokens = logits.softmax(dim=0).topk(MAGIC["magic_k"])
        several = [[*ids, token] for token in tokens.tolist()]
        alike = likeness(pipeline, condition, several, prompt, MAGIC["guidance_temperature"])
        scores = []
        for place, candidate in enumerate(several):
            own = run(candidate)[1][-1]
            repeated = max(cosine_similarity(own, earlier, dim=0) for earlier in context)
            alpha, beta = MAGIC["magic_alpha"], MAGIC["magic_beta"]
            scores.append((1 - alpha) * p[place] - alpha * repeated + beta * alike[place])
        return int(tokens[torch.stack(scores).argmax()])

    return written(pipeline, next_token)


def zerocap_probabilities(pipeline: Pipeline, condition: Tensor, prompt: str) -> Callable[[list[int]], Tensor]:
    """What gives the probabilities (vocabulary,) of the token after some tokens."""
    model, prefix = pipeline.decoder.model, prefix_of(pipeline, condition, prompt).detach()

    def next_token(ids: list[int]) -> Tensor:
        inputs = torch.cat([prefix, embed(pipeline, ids).detach()], dim=1)
        unguided = model(inputs_embeds=inputs).logits[0, -1].softmax(dim=0).detach()
        if inputs.shape[1] == 1:
            return unguided
        layers = DynamicCache()
        model(inputs_embeds=inputs[:, :-1], use_cache=True, **{CACHE: layers})
        context = [part.detach() for layer in layers for part in layer[:2]]
        shifts = [torch.zeros_like(part) for part in context]

        def run() -> Tensor:
            parts = [part + shift for part, shift in zip(context, shifts, strict=True)]
            cache = DynamicCache(list(zip(parts[::2], parts[1::2], strict=True)))
            out: Tensor = model(inputs_embeds=inputs[:, -1:], **{CACHE: cache}).logits[0, -1].softmax(dim=0)
            return out

        for _ in range(ZEROCAP["zerocap_iterations"]):
            shifts = [shift.detach().requires_grad_() for shift in shifts]
            p = run()
            tokens = p.topk(ZEROCAP["zerocap_candidates"]).indices
            several = [[*ids, token] for token in tokens.tolist()]
            target = likeness(pipeline, condition, several, prompt, ZEROCAP["guidance_temperature"])
            loss = -(target * p[tokens].log()).sum()
            loss = loss + ZEROCAP["zerocap_ce_scale"] * (p * (p / unguided).log()).sum()
            loss.backward()
            for shift in shifts:
                assert shift.grad is not None
                shift.data -= ZEROCAP["zerocap_step_size"] * shift.grad / shift.grad.norm() ** 0.9
        return run().detach()

    return next_token


def plain_zerocap(pipeline: Pipeline, condition: Tensor, prompt: str = "") -> str:
    next_token = zerocap_probabilities(pipeline, condition, prompt)
    return written(pipeline, lambda ids: int(next_token(ids).argmax()))


def plain_zerocap_beams(pipeline: Pipeline, condition: Tensor, prompt: str = "") -> str:
    """Of the three captions with the largest mean log-probability, the one that is nearest to the condition."""
    next_token, language = zerocap_probabilities(pipeline, condition, prompt), pipeline.decoder.language
    beams: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(STEPS):
        longer = []
        for total, ids in beams:
            if ids[-1:] == [language.end]:
                longer.append((total, ids))
                continue
            for token, p in enumerate(next_token(ids).tolist()):
                longer.append((total + log(p), [*ids, token]))
        beams = sorted(longer, key=lambda beam: beam[0] / len(beam[1]), reverse=True)[:3]
    texts = [decode(language.tokenizer, torch.tensor([ids]), torch.ones(1, len(ids)).bool())[0] for _, ids in beams]
    (batch,) = pipeline.encoder("text").encode_batches(texts)
    cosines = cosine_similarity(condition[None], pipeline.condition(batch.embeddings, "text"))
    return texts[batch.index[int(cosines.argmax())]]


@pytest.mark.parametrize("prompt", ["", "a red"])
@pytest.mark.parametrize(
    ("options", "plain"),
    [(MAGIC, plain_magic), (ZEROCAP, plain_zerocap), ({**ZEROCAP, "num_beams": 3}, plain_zerocap_beams)],
    ids=["magic", "zerocap", "zerocap beams"],
)
def test_captions_are_those_of_the_plain_loop(
    pipeline: Pipeline, options: dict[str, Any], plain: Callable[..., str], prompt: str
) -> None:
    expected = [plain(pipeline, condition, prompt) for condition in conditions(pipeline)]
    assert generate(pipeline, options, prompt=prompt) == expected
    assert expected != generate(pipeline, {}, prompt=prompt)


# ---- what guidance is given


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    space = load_space(str(write_space(tmp_path_factory.mktemp("space"))))
    pipeline = Pipeline(space, load_bridge("c2_1"), CaptionDecoder(16, mapping="none", **SETTINGS))
    items = {"text": World().sentences(60, modality="image"), "image": pictures(30)}
    return pipeline.fit(items, training={**TRAINING, "steps": 40, "learning_rate": 3e-3}, quiet=True)


@pytest.mark.parametrize(
    "options", [MAGIC, ZEROCAP, {**ZEROCAP, "num_beams": 3}], ids=["magic", "zerocap", "zerocap beams"]
)
def test_a_guided_caption_does_not_depend_on_its_batch(captioner: Pipeline, options: dict[str, Any]) -> None:
    seen = pictures(5, "test")
    options = {**options, "max_new_tokens": 8}
    whole = captioner(seen, **options)
    assert [captioner(one, **options) for one in seen] == whole
    assert captioner(seen, **options, batch_size=2) == whole
    assert len(set(whole)) > 1
    assert len(set(captioner(seen, max_new_tokens=8))) == 1  # without a prefix, nothing else tells pictures apart


@pytest.mark.parametrize("options", [MAGIC, ZEROCAP], ids=["magic", "zerocap"])
def test_guidance_brings_captions_nearer(captioner: Pipeline, options: dict[str, Any]) -> None:
    seen = pictures(20, "test")

    def nearness(**options: Any) -> float:
        captions = captioner(seen, max_new_tokens=12, **options)
        (batch,) = captioner.encoder("image").encode_batches(seen)
        asked = captioner.condition(batch.embeddings, "image")
        return cosine_similarity(captioner.decoder.output_encoder.conditions(captions), asked).mean().item()

    assert nearness(**options) > nearness() + 0.05


def test_a_guided_caption_ends_with_a_stop_string_or_the_end_and_has_a_score(captioner: Pipeline) -> None:
    seen = pictures(4, "test")
    whole = captioner(seen, **MAGIC, max_new_tokens=12, scores=True)
    stop = whole[0].split()[1]
    stopped = captioner(seen, **MAGIC, max_new_tokens=12, stop_strings=[stop], scores=True)
    assert stopped[0].endswith(stop)
    assert whole[0].startswith(stopped[0])
    assert all(caption.score < 0 for caption in [*whole, *stopped])


@pytest.mark.parametrize("options", [MAGIC, ZEROCAP], ids=["magic", "zerocap"])
def test_guidance_works_in_bfloat16(
    captioner: Pipeline, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    captions = captioner(pictures(3, "test"), **options, max_new_tokens=4, precision="bfloat16")
    assert all(captions)


def test_without_the_spaces_encoder_there_is_no_guidance() -> None:
    decoder = CaptionDecoder(16, mapping="none", **SETTINGS)
    decoder.prepare(["a red circle"])
    with pytest.raises(WrongCall, match="text encoder"):
        decoder.generate(torch.zeros(1, 16), MAGIC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"magic_k": 7},
        {"guidance_temperature": 0.1},
        {**MAGIC, "zerocap_iterations": 2},
        {**ZEROCAP, "magic_beta": 1.0},
        {**MAGIC, "num_beams": 2},
        {**ZEROCAP, "do_sample": True},
        {**MAGIC, "repetition_penalty": 1.2},
        {"guidance": "clip"},
    ],
    ids=str,
)
def test_options_without_effect_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no effect|'magic', 'zerocap'"):
        CaptionOptions(**wrong)


# ---- a language model without a prefix


def test_without_a_mapping_the_loss_is_that_of_the_language_model(gpt2_folder: Path) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder), mapping="none", device="cpu").eval()
    sentences = ["a red circle", "a blue square on the left"]
    decoder.prepare(sentences)
    loss = decoder.loss(torch.randn(2, 8), decoder.collate(sentences))
    ids = [[0, *decoder.language.tokenizer(sentence)["input_ids"], 0] for sentence in sentences]
    losses = [
        decoder.model(input_ids=torch.tensor([row]), labels=torch.tensor([row])).loss * (len(row) - 1) for row in ids
    ]
    torch.testing.assert_close(loss, sum(losses) / sum(len(row) - 1 for row in ids), rtol=1e-5, atol=1e-5)
    ((_, parameters),) = [(objective.name, objective.parameters) for objective in decoder.objectives()]
    assert len(parameters) == len([*decoder.model.parameters()])


def test_a_language_model_may_stay_as_it_is(gpt2_folder: Path, tmp_path: Path) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder), mapping="none", train="none", device="cpu")
    assert not decoder.trainable
    assert decoder.objectives() == []
    assert not decoder.train().model.training
    captions = decoder.generate(torch.zeros(2, 8), {"max_new_tokens": 5, "prompt": "a blue"})
    greedy = decoder.model.generate(
        torch.tensor([[0, *decoder.language.tokenizer("a blue")["input_ids"]]]), max_new_tokens=5, do_sample=False
    )[:, -5:]
    assert captions == decode(decoder.language.tokenizer, greedy, greedy >= 0) * 2
    decoder.save(tmp_path)
    loaded = CaptionDecoder.load(tmp_path, device="cpu")
    assert not loaded.trainable
    assert loaded.generate(torch.zeros(2, 8), {"max_new_tokens": 5, "prompt": "a blue"}) == captions


@pytest.mark.parametrize(
    "wrong",
    [
        {"mapping": "none", "train": "mapping"},
        {"train": "none"},
        {"mapping": "none", "prefix_length": 4},
        {"model": "fresh", "mapping": "none", "train": "none"},
    ],
    ids=str,
)
def test_settings_that_do_not_go_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(WrongCall):
        CaptionDecoder(8, device="cpu", **wrong)


def test_a_prompt_takes_room(gpt2_folder: Path) -> None:
    decoder = CaptionDecoder(8, model=str(gpt2_folder), device="cpu")
    decoder.prepare(())
    decoder.check_options({"max_new_tokens": 118})
    with pytest.raises(C3Error, match="room"):
        decoder.check_options({"max_new_tokens": 118, "prompt": "a red"})
