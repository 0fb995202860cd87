"""Scoring on a table: rows of the same input are its references, bad inputs are left out."""

from __future__ import annotations

import pytest
from spaces import fitted, pictures, write_space

from c3_playground.world import World
from c3core import C3Error, Pipeline, load_pipeline
from c3core.evaluation import evaluate
from c3core.metrics.captions import caption_metrics
from c3core.sources import Table


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return fitted(write_space(tmp_path_factory.mktemp("space")))


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
    expected = caption_metrics(found.outputs, found.references).to_dict()
    assert found.to_dict() == {**expected, "items": 3, "bad": 0, "best_of": 1}


def test_metrics_are_chosen_of_captions_alone(pipeline: Pipeline) -> None:
    assert set(evaluate(pipeline, table(2), metrics=["bleu4"]).to_dict()) >= {"bleu4"}
    painter = load_pipeline("playground/painter-stylegan")
    with pytest.raises(C3Error, match="metrics chooses among those of captions"):
        evaluate(painter, table(2), metrics=["bleu4"])


def test_bad_inputs_are_left_out_and_listed(pipeline: Pipeline) -> None:
    good = table(2)
    mixed = Table({"image": [*good.columns["image"], "missing.png"], "text": [*good.columns["text"], "a red circle"]})
    found = evaluate(pipeline, mixed)
    assert found.items == 2
    assert [item.source for item in found.bad] == ["missing.png"]
    with pytest.raises(C3Error, match=r"no input .* could be read"):
        evaluate(pipeline, Table({"image": ["missing.png"], "text": ["a red circle"]}))


def test_columns_may_be_named_otherwise(pipeline: Pipeline) -> None:
    good = table(2)
    other = Table({"photo": good.columns["image"], "said": good.columns["text"]})
    found = evaluate(pipeline, other, input_column="photo", output_column="said", modality="image")
    assert found.items == 2
    with pytest.raises(C3Error, match="say which column"):
        evaluate(pipeline, other)


def test_that_the_space_chose_is_said(pipeline: Pipeline) -> None:
    found = evaluate(pipeline, table(2), best_of=2, options={"do_sample": True})
    assert found.to_dict()["best_of"] == 2
    assert any("best of 2" in remark for remark in found.remarks())
    assert not any("best of" in remark for remark in evaluate(pipeline, table(1)).remarks())
