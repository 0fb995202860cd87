"""Metrics of plugins: which fit a decoder, and that one that fails gives a reason instead of an error."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from c3core import load_decoder, load_space
from c3core.contracts import Decoder
from c3core.errors import C3Error, WrongCall
from c3core.metrics import custom
from c3core.metrics.custom import compute_metric, load_metrics
from c3core.registry.registration import Entry
from tests.helpers.small_painters import made
from tests.helpers.spaces import DECODER

INPUTS, OUTPUTS, REFERENCES = ("a.png", "b.png"), ("a dog", "cats"), (("dogs",), ("two cats", "cats"))


def computed(metric: Callable[..., Any], *taken: str) -> tuple[dict[str, float], str]:
    return compute_metric(metric, INPUTS, OUTPUTS, REFERENCES, taken=taken)


def line_of(metric: Callable[..., Any], place: int) -> str:
    return f" ({__file__}, line {inspect.getsourcelines(metric)[1] + place})"


# --- the scores of a metric, or the reason that there are none


def test_a_metric_gets_copies_that_it_may_change() -> None:
    given = ["a.png", "b.png"], ["a dog", "cats"], [["dogs"], ["two cats", "cats"]]
    whole, seen = deepcopy(given), []

    def metric(*judged: list[Any]) -> dict[str, float]:
        seen.extend(deepcopy(judged))
        for one in (*judged[2], *judged):
            one.clear()
        return {}

    assert compute_metric(metric, *given, taken=()) == ({}, "")
    assert tuple(seen) == given == whole


def test_the_scores_are_numbers_by_name() -> None:
    def metric(inputs: list[str], outputs: list[str], references: list[list[str]]) -> Any:
        hits = [output in several for output, several in zip(outputs, references, strict=True)]
        return MappingProxyType({"hits": sum(hits), 1: inputs.index("b.png"), "half": "0.5"})

    scores, why = computed(metric, "bleu4")
    assert scores == {"hits": 1.0, "1": 1.0, "half": 0.5}
    assert {type(value) for value in scores.values()} == {float}
    assert why == ""


def test_what_a_metric_prints_is_no_score(capsys: pytest.CaptureFixture[str]) -> None:
    def metric(*judged: Any) -> dict[str, float]:
        print("a word")
        return {"one": 1}

    assert computed(metric) == ({"one": 1.0}, "")
    assert capsys.readouterr() == ("", "a word\n")


def test_an_error_becomes_a_reason_with_the_line_of_the_metric() -> None:
    def fails(*judged: Any) -> dict[str, float]:
        raise ValueError("out of luck")

    def leaves(*judged: Any) -> dict[str, float]:
        sys.exit(3)

    def odd(*judged: Any) -> dict[str, Any]:
        return {"fine": 1.0, "odd": "much"}

    def refuses(*judged: Any) -> dict[str, float]:
        raise C3Error("it takes no captions. Leave it out.")

    assert computed(fails) == ({}, f"ValueError: out of luck{line_of(fails, 1)}")
    assert computed(leaves) == ({}, f"SystemExit: 3{line_of(leaves, 1)}")
    assert computed(refuses) == ({}, "it takes no captions. Leave it out.")
    scores, why = computed(odd)
    assert (scores, why.partition(":")[0]) == ({}, "ValueError")
    assert computed(len) == ({}, "TypeError: len() takes exactly one argument (3 given)")  # it has no line


def test_an_interrupt_is_no_reason() -> None:
    def stopped(*judged: Any) -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        computed(stopped)


def test_a_result_without_names_is_refused() -> None:
    assert computed(lambda *judged: [1.0]) == ({}, "it must return a mapping of figures to numbers, not list.")


def test_names_of_other_scores_and_of_an_ablation_are_refused() -> None:
    names = {"items": 1.0, "seed": 2.0, "bleu4": 3.0, "own": 4.0}
    why = "it names a figure that there is already: bleu4, items, seed."
    assert computed(lambda *judged: names, "items", "bleu4") == ({}, why)
    for name in ("bridge", "seed", "seeds", "asked", "by"):
        assert computed(lambda *judged, name=name: {name: 1.0})[0] == {}
    assert computed(lambda *judged: names) == ({}, "it names a figure that there is already: seed.")


def test_what_is_not_finite_is_left_out() -> None:
    nan, infinite = float("nan"), float("inf")
    found = computed(lambda *judged: {"fine": 1, "odd": nan, "large": infinite, "small": -infinite})
    assert found == ({"fine": 1.0}, "not a finite number: odd, large, small.")
    assert computed(lambda *judged: {"fine": 1}) == ({"fine": 1.0}, "")


# --- the metrics of a decoder


def own(*judged: Any) -> dict[str, float]:
    return {}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register metrics of captions, of pictures, of pictures made from sentences, and of anything."""
    taken = {"words": ("text",), "pixels": ("image",), "drawn": ("text", "audio", "image"), "any": ()}
    usual = Entry("metric", "usual", f"{__name__}:own", "test", "test", ("text",), default=True)
    entries = {name: Entry("metric", name, f"{__name__}:own", "test", "test", of) for name, of in taken.items()}
    entries["usual"] = usual
    known = custom.registered
    monkeypatch.setattr(custom, "registered", lambda kind: known(kind) | (entries if kind == "metric" else {}))


@pytest.fixture(scope="module")
def captioner() -> Decoder:
    return load_decoder("gpt2", space=load_space("playground"), **DECODER)


@pytest.fixture(scope="module")
def painter() -> Decoder:
    return made()


@pytest.mark.usefixtures("registered")
def test_metrics_are_those_named_and_the_default_ones_unless_some_of_these_are_named(
    captioner: Decoder, painter: Decoder
) -> None:
    assert load_metrics(captioner, "image", ["words", "usual"]) == {"words": own, "usual": own}
    coco = {"bleu1", "bleu2", "bleu3", "bleu4", "cider", "meteor", "rouge1", "rouge_l", "spice"}
    assert load_metrics(captioner, "image", []).keys() == {*coco, "usual"}
    assert load_metrics(captioner, "image", ["any"]).keys() == {*coco, "usual", "any"}
    assert load_metrics(captioner, "image", ["meteor"]).keys() == {"meteor"}
    assert load_metrics(painter, "text", ["drawn", "any", "pixels"]) == {"drawn": own, "any": own, "pixels": own}
    assert load_metrics(painter, "audio", ["drawn"]) == {"drawn": own}
    assert load_metrics(painter, "text", []) == {}


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "modality", "says"),
    [
        ("drawn", "video", "metric 'drawn' is of image made from text or audio, not of image from video."),
        ("words", "text", "metric 'words' is of text, not of image from text."),
        ("pixells", "text", "no metric of image is called 'pixells': did you mean pixels?"),
        ("cider", "text", "metric 'cider' is of text, not of image from text."),
    ],
)
def test_a_metric_of_another_modality_is_refused(name: str, modality: str, says: str, painter: Decoder) -> None:
    with pytest.raises(WrongCall) as refused:
        load_metrics(painter, modality, [name])
    assert str(refused.value).startswith(says)


@pytest.mark.usefixtures("registered")
def test_only_pictures_have_figures_without_a_name(captioner: Decoder, painter: Decoder) -> None:
    for decoder, hinted in ((captioner, False), (painter, True)):
        with pytest.raises(WrongCall) as refused:
            load_metrics(decoder, "text", ["nothing"])
        assert ("FID, KID, R@1" in str(refused.value)) is hinted


def test_a_metric_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, painter: Decoder) -> None:
    missing = Entry("metric", "lost", f"{Path(__file__).stem}_not_here:own", "test", "test")
    monkeypatch.setattr(custom, "registered", lambda kind: {"lost": missing})
    with pytest.raises(C3Error, match=r"metric 'lost' of plugin 'test' cannot be loaded"):
        load_metrics(painter, "text", ["lost"])
