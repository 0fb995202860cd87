"""The nearest sentence, and the memory that a fit gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from c3_retrieval import decoder as retrieval
from c3_retrieval.decoder import RetrievalDecoder
from c3core import C3Error, Pairs, Pipeline, load_bridge, load_pipeline, load_space
from c3core.errors import CorruptFile, WrongCall
from tests.helpers.spaces import pictures, write_space


def draw(n: int, dim: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))


def filled(memory: torch.Tensor, **settings: Any) -> RetrievalDecoder:
    decoder = RetrievalDecoder(memory.shape[1], device="cpu", **settings)
    words = [f"sentence {k}" for k in range(len(memory))]
    parts = torch.arange(len(memory)).split(30)
    decoder.memorize((memory[part], [words[k] for k in part]) for part in parts)
    return decoder


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_nearest_come_first_with_their_cosines(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "CHUNK", chunk)
    memory, conditions = 3 * draw(100), 5 * draw(4, seed=1)
    values, places = cosine_similarity(conditions[:, None], memory[None], dim=-1).topk(6, dim=1)
    found = filled(memory, precision="float32").nearest(conditions, 6)
    assert [[sentence for sentence, _ in row] for row in found] == [[f"sentence {k}" for k in row] for row in places]
    torch.testing.assert_close(torch.tensor([[cosine for _, cosine in row] for row in found]), values)
    assert [len(row) for row in filled(memory[:3]).nearest(conditions, 6)] == [3] * 4


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_the_answer_has_the_largest_cosine(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "CHUNK", chunk)
    memory, conditions = 3 * draw(100), draw(50, seed=1)
    nearest = cosine_similarity(conditions[:, None], memory[None], dim=-1).argmax(dim=1)
    expected = [f"sentence {k}" for k in nearest.tolist()]
    assert filled(memory, precision="float32").generate(conditions) == expected
    assert filled(memory).generate(conditions) == expected
    assert filled(memory).generate(conditions * 5) == expected


def test_a_memory_of_a_size_is_a_sample_in_order_by_torchs_seed() -> None:
    memory = normalize(draw(100), dim=-1)
    samples = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        decoder = filled(memory, size=20, precision="float32")
        places = [int(sentence.split()[1]) for sentence in decoder.sentences]
        assert places == sorted(set(places))
        assert len(places) == 20
        torch.testing.assert_close(decoder.memory, memory[places])
        samples.append(places)
    assert samples[0] == samples[1] != samples[2]
    assert len(filled(memory, size=200).sentences) == 100


def test_another_memory_replaces_the_first() -> None:
    decoder = filled(draw(100))
    decoder.memorize([(torch.eye(16), [f"new {k}" for k in range(16)])])
    assert decoder.generate(torch.eye(16)[:2]) == ["new 0", "new 1"]
    with pytest.raises(C3Error, match="no sentence"):
        decoder.memorize([])


def test_it_has_no_use_before_it_has_sentences() -> None:
    decoder = RetrievalDecoder(2, device="cpu")
    decoder.prepare(["a red circle"])
    with pytest.raises(C3Error, match="call `memorize`"):
        decoder.generate(torch.eye(2))


@pytest.mark.parametrize("content", [["one"], ["one", 2], {"one": 1, "two": 2}, None])
def test_sentences_that_do_not_fit_the_memory_are_refused(content: Any, tmp_path: Path) -> None:
    decoder = RetrievalDecoder(2, device="cpu")
    decoder.memorize([(torch.eye(2), ["one", "two"])])
    decoder.save(tmp_path)
    (tmp_path / "sentences.json").write_text(json.dumps(content))
    with pytest.raises(CorruptFile, match="sentences"):
        RetrievalDecoder.load(tmp_path)


# ---- in a pipeline


def make(tmp_path: Path, bridge: str = "c2_1") -> Pipeline:
    space = load_space(str(write_space(tmp_path / "space")))
    return Pipeline(space, load_bridge(bridge), RetrievalDecoder(16, device="cpu"))


SENTENCES = [f"a {size} {color} circle" for size in ("small", "large", "wide") for color in ("red", "green", "blue")]


def test_fit_keeps_the_sentences_with_their_conditions_of_use(tmp_path: Path) -> None:
    pipeline = make(tmp_path, "c3")  # whose conditions of training have noise
    items = {"text": [*SENTENCES, "  "], "image": pictures(9)}
    with pytest.warns(UserWarning, match="1 text item"):
        pipeline.fit(items, training={"seed": 3}, quiet=True)
    assert pipeline.decoder.sentences == SENTENCES
    assert pipeline(SENTENCES, modality="text") == SENTENCES
    outputs = pipeline(pictures(4, "test"), modality="image")
    assert set(outputs) <= set(SENTENCES)
    seen = pipeline.trained_on[-1]
    assert (seen["modality"], seen["rows"], seen["supervised"]) == ("text", 9, False)
    assert seen["statistics_of"]["image"] == 9
    pipeline.save_pretrained(tmp_path / "saved")
    assert load_pipeline(tmp_path / "saved")(pictures(4, "test"), modality="image") == outputs


def test_pairs_keep_a_sentence_for_each_source(tmp_path: Path) -> None:
    pipeline, seen = make(tmp_path, "c1"), pictures(9)
    pipeline.fit(pairs=Pairs(source=seen, modality="image", target=SENTENCES), quiet=True)
    assert pipeline(seen, modality="image") == SENTENCES
    assert pipeline.trained_on[-1]["supervised"]


def test_a_fit_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    pipeline = make(tmp_path)
    with pytest.raises(WrongCall, match="items of text"):
        pipeline.fit({"image": pictures(3)}, quiet=True)
    with pytest.raises(WrongCall, match="is not trained: steps would do nothing"):
        pipeline.fit({"text": SENTENCES}, training={"steps": 3}, quiet=True)
