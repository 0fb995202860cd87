"""Scoring on a table: rows of the same input are its references, bad inputs are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from c3_metrics.captions import caption_metrics
from c3_playground.painters.metric import factors
from c3_playground.world import World
from c3core import C3Error, Pipeline, Space, load_pipeline
from c3core.data.tables import Table
from c3core.errors import WrongCall
from c3core.experiments.evaluation import Evaluator, evaluate, repetition
from c3core.metrics import custom
from c3core.registry.registration import Entry
from tests.helpers.spaces import fitted, pictures, write_space


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return fitted(write_space(tmp_path_factory.mktemp("space")))


@pytest.fixture(scope="module")
def painter() -> Pipeline:
    return load_pipeline("playground/painter-stylegan")


Brought = Callable[..., None]


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Brought:
    """Registers a function of this file as a plugin's metric."""

    def bring(name: str, function: str, *, modalities: tuple[str, ...] = ()) -> None:
        one = Entry("metric", name, f"{__name__}:{function}", "test", "test", modalities)
        known = custom.registered
        monkeypatch.setattr(custom, "registered", lambda kind: known(kind) | {name: one})

    return bring


def count_words(inputs: list[Any], outputs: list[Any], references: list[list[Any]]) -> dict[str, float]:
    assert len(inputs) == len(outputs) == len(references)
    return {"words": sum(len(str(output).split()) for output in outputs)}


def breaks(*judged: Any) -> dict[str, float]:
    raise ValueError("out of luck")


def takes_a_name(*judged: Any) -> dict[str, float]:
    return {"bleu4": 100.0, "items": 3}


def leaves(*judged: Any) -> dict[str, float]:
    print("a last word")
    raise SystemExit(3)


def lists(*judged: Any) -> list[float]:
    return [1.0]


def nan(*judged: Any) -> dict[str, float]:
    return {"fine": 1, "odd": float("nan"), "infinite": float("inf")}


def empties(inputs: list[Any], outputs: list[Any], references: list[list[Any]]) -> dict[str, float]:
    for given in (inputs, outputs, *references):
        given.clear()
    return {}


def table(n: int) -> Table:
    items = World().items("image", "test", n)
    data = [item.data for item in items]
    return Table(
        {
            "image": [array for array, item in zip(data, items, strict=True) for _ in item.sentences],
            "text": [sentence for item in items for sentence in item.sentences],
        }
    )


def test_the_figures_are_those_of_the_metrics_on_its_outputs(pipeline: Pipeline) -> None:
    found = evaluate(pipeline, table(3))
    assert found.outputs == pipeline.run(pictures(3, "test"), modality="image")
    assert [len(references) for references in found.references] == [5, 5, 5]
    expected = caption_metrics(found.outputs, found.references)
    assert (
        found.to_dict().items()
        >= {
            **expected,
            "n": 3,
            "items": 3,
            "bad": 0,
            "bad_references": 0,
            "best_of": 1,
            "distinct": found.distinct,
        }.items()
    )


def test_metrics_of_captions_are_chosen(pipeline: Pipeline, metrics: Brought) -> None:
    assert set(evaluate(pipeline, table(2), metrics=["bleu4"]).scores) == {"bleu4"}
    metrics("words", "count_words", modalities=("image", "text"))
    every = evaluate(pipeline, table(2), metrics=["words"]).scores
    assert {"cider", "bleu4", "words"} <= set(every)
    assert every["words"] == sum(
        len(str(output).split()) for output in evaluate(pipeline, table(2), metrics=["bleu4"]).outputs
    )
    assert set(evaluate(pipeline, table(2), metrics=["words", "bleu4"]).scores) == {"bleu4", "words"}


def test_a_plugins_metric_is_added_to_those_of_pictures(painter: Pipeline) -> None:
    found = evaluate(painter, table(2), metrics=["playground-factors"])
    assert found.scores | factors(found.inputs, found.outputs, found.references) == found.scores
    assert {"r1", "fid", "factors", "exact"} <= set(found.scores)
    assert (found.group, found.features) == (found.items, "the image encoder of playground")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["bleu4"], "metric 'bleu4' is of text, not of image"),
        (["playground-factor"], "did you mean playground-factors"),
        (["of-text"], "metric 'of-text' is of text made from image, not of image from text"),
        ("playground-factors", r"Write \['playground-factors'\]"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_first(
    names: list[str], says: str, painter: Pipeline, metrics: Brought
) -> None:
    metrics("of-text", "count_words", modalities=("image", "text"))
    with pytest.raises(C3Error, match=says):
        evaluate(painter, Table({"text": ["a red ring"], "image": ["not looked at.png"]}), metrics=names)


def test_a_metric_that_fails_takes_no_other_along(pipeline: Pipeline, metrics: Brought) -> None:
    metrics("broken", "breaks")
    metrics("thief", "takes_a_name")
    found = evaluate(pipeline, table(2), metrics=["bleu4", "broken", "thief"])
    assert set(found.scores) == {"bleu4"}
    here = f"({__file__}, line {breaks.__code__.co_firstlineno + 1})"
    assert found.left_out == {
        "broken": f"ValueError: out of luck {here}",
        "thief": "it names a figure that there is already: bleu4, items.",
    }
    assert f"broken: ValueError: out of luck {here}" in found.remarks()


def test_odd_metrics_are_told_and_harm_no_other(
    pipeline: Pipeline, metrics: Brought, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("leaves", "lists", "nan", "empties", "words"):
        metrics(name, "count_words" if name == "words" else name)
    found = evaluate(pipeline, table(2), metrics=["leaves", "lists", "nan", "empties", "words", "words", "bleu4"])
    assert found.scores["words"] > 0
    assert found.scores["fine"] == 1.0
    assert not {"odd", "infinite"} & set(found.scores)
    assert found.left_out.items() >= {
        ("leaves", f"SystemExit: 3 ({__file__}, line {leaves.__code__.co_firstlineno + 2})"),
        ("lists", "it must return a mapping of figures to numbers, not list."),
        ("nan", "not a finite number: odd, infinite."),
    }
    assert len(found.outputs) == 2
    assert capsys.readouterr().out == ""  # what a metric prints does not mix with figures


def test_a_metric_of_outputs_alone_takes_any_input(pipeline: Pipeline, metrics: Brought) -> None:
    metrics("words", "count_words", modalities=("text",))
    assert "words" in evaluate(pipeline, table(1), metrics=["bleu4", "words"]).scores


def test_each_input_is_embedded_once(painter: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, seen = painter.encoder("text"), list[str]()
    embed = encoder.embed
    monkeypatch.setattr(encoder, "embed", lambda items: seen.extend(items) or embed(items))
    evaluate(painter, table(2), best_of=2)
    assert len(seen) == 10


@pytest.mark.parametrize("wrong", [{"generation": {"trunation": 1}}, {"seed": -1}, {"best_of": 0}])
def test_a_wrong_call_is_said_before_anything_is_read(
    painter: Pipeline, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for modality in ("text", "image"):
        monkeypatch.setattr(painter.encoder(modality), "embed", None)
    with pytest.raises(C3Error, match="trunation|seed|best_of"):
        evaluate(painter, table(2), **wrong)


def test_an_output_that_the_encoder_refuses_is_a_bad_item(painter: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = painter.decoder.generate

    def odd(conditions: Tensor, *options: Any, **more: Any) -> list[Any]:
        _, *others = generate(conditions, *options, **more)
        return [None, *others]

    monkeypatch.setattr(painter.decoder, "generate", odd)
    found = evaluate(painter, table(2))
    assert (found.items, len(found.bad)) == (9, 1)
    assert found.bad[0].source == table(2).columns["text"][0]
    assert "what was made of it cannot be read" in found.bad[0].why


def test_where_the_space_knows_no_such_output_a_plugins_metric_is_enough(painter: Pipeline, metrics: Brought) -> None:
    full = painter.space
    blind = Space("blind", full.dim, {"text": lambda: full.encoder("text")})
    pipeline = Pipeline(blind, painter.bridge, painter.decoder)
    with pytest.raises(C3Error, match="no modality 'image'"):
        evaluate(pipeline, table(2))
    found = evaluate(pipeline, table(2), metrics=["playground-factors"])
    assert found.left_out == {"r1, fid, kid": "the space blind knows no image."}
    assert found.scores["factors"] > 0


def test_bad_references_are_no_inputs(painter: Pipeline) -> None:
    good = table(2)
    mixed = {"text": [*good.columns["text"], "a red ring"], "image": [*good.columns["image"], "missing.png"]}
    found = evaluate(painter, Table(mixed))
    assert [item.source for item in found.bad_references] == ["missing.png"]
    assert (found.bad, found.items, found.all_references) == ([], 11, 3)
    assert found.references[-1] == []


def test_references_without_a_word_are_left_out_before_captions_are_made(pipeline: Pipeline) -> None:
    good, (mute, half) = table(2), pictures(2)
    odd = {"image": [mute, half, half], "text": ["...", " ", "a red circle"]}
    found = evaluate(pipeline, Table({name: odd[name] + good.columns[name] for name in odd}), metrics=["bleu4"])
    assert [(item.source, item.why) for item in found.bad_references] == [
        ("...", "it has no word"),
        ("an empty sentence", "it has no word"),
    ]
    assert [item.why for item in found.bad] == ["none of its references has a word in it"]
    assert (found.items, found.references[0]) == (3, ["a red circle"])
    with pytest.raises(C3Error, match=r"no reference of the table could be read: \.\.\.: it has no word"):
        evaluate(pipeline, Table({"image": [mute], "text": ["..."]}))


def test_bad_inputs_are_left_out_and_listed(pipeline: Pipeline) -> None:
    good = table(2)
    mixed = Table({"image": [*good.columns["image"], "missing.png"], "text": [*good.columns["text"], "a red circle"]})
    found = evaluate(pipeline, mixed, metrics=["bleu4"])
    assert found.items == 2
    assert [item.source for item in found.bad] == ["missing.png"]
    with pytest.raises(C3Error, match=r"no input .* could be read"):
        evaluate(pipeline, Table({"image": ["missing.png"], "text": ["a red circle"]}))


def test_columns_may_be_named_otherwise(pipeline: Pipeline) -> None:
    good = table(2)
    other = Table({"photo": good.columns["image"], "said": good.columns["text"]})
    found = evaluate(pipeline, other, input_column="photo", output_column="said", modality="image", metrics=["bleu4"])
    assert found.items == 2
    with pytest.raises(WrongCall, match="say which column.* are 'photo', 'said'"):
        evaluate(pipeline, other)
    with pytest.raises(WrongCall, match="say which modality column 'photo' has"):
        evaluate(pipeline, other, input_column="photo", output_column="said")


def test_that_the_space_chose_is_said(pipeline: Pipeline) -> None:
    found = evaluate(pipeline, table(2), best_of=2, generation={"do_sample": True}, metrics=["bleu4"])
    assert found.to_dict()["best_of"] == 2
    assert any("best of 2" in remark for remark in found.remarks())
    assert not any("best of" in remark for remark in evaluate(pipeline, table(1), metrics=["bleu4"]).remarks())


def test_inputs_are_moved_along_the_gap(pipeline: Pipeline) -> None:
    table = Table({"image": pictures(6), "text": World().sentences(6, modality="image")})
    evaluator = Evaluator(pipeline, table, metrics=["rouge1"])
    embeddings, state = pipeline.space.encode(table.column("image"), "image"), pipeline.bridge.state()
    gap = (state["image.mean"] - state["text.mean"]).float()
    for shift in (0.0, 0.5, 30.0):
        conditions = pipeline.condition(embeddings + shift * gap / gap.norm(), "image")
        assert evaluator.score(shift).outputs == pipeline.decoder.generate(conditions)
    assert evaluator.score(30.0).outputs != evaluator.score().outputs


def test_sentences_are_moved_along_the_gap_to_the_other_modality(pipeline: Pipeline) -> None:
    sentences = World().sentences(6, modality="image")
    evaluator = Evaluator(pipeline, Table({"text": sentences}), input_column="text", metrics=["rouge1"])
    state = pipeline.bridge.state()
    gap = (state["image.mean"] - state["text.mean"]).float()
    moved = pipeline.space.encode(sentences, "text") + 30 * gap / gap.norm()
    assert evaluator.score(30.0).outputs == pipeline.decoder.generate(pipeline.condition(moved, "text"))


def test_without_a_gap_nothing_can_be_moved(tmp_path: Path) -> None:
    bare = fitted(write_space(tmp_path / "space"), "c1")
    evaluator = Evaluator(bare, Table({"image": pictures(2), "text": ["a", "b"]}), metrics=["rouge1"])
    with pytest.raises(WrongCall, match="knows no gap"):
        evaluator.score(0.5)


def test_a_decoder_that_says_the_same_for_most_inputs_is_warned_of(pipeline: Pipeline) -> None:
    table = Table({"image": pictures(24), "text": World().sentences(24, modality="image")})
    one = Evaluator(pipeline, table, metrics=["bleu1"], generation={"max_new_tokens": 1})
    with pytest.warns(UserWarning, match="of 24 outputs are the same"):
        found = one.score()  # after a few steps of training each caption begins alike
    assert found.distinct == pytest.approx(100 * len(set(found.outputs)) / 24)
    assert f"distinct outputs: {found.distinct:.0f} %" in repr(found)


def test_some_repetition_is_as_it_should_be() -> None:
    assert repetition(Counter({"a": 10, "b": 10})) is None
    assert repetition(Counter({"a": 19})) is None  # of so few, that may be chance
    assert "11 of 20" in str(repetition(Counter({"a": 11, "b": 9})))
