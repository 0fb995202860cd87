"""The parts of a bridge: how they are given, and that a wrong one is named with what is right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from c3core.bridges import C3Bridge, Gaussian, Lafite, Mean, MeanStd, Memory, Unit, collapse, preset
from c3core.bridges.fitted import FittedStatistics
from c3core.errors import C3Error, WrongCall
from c3core.statistics.moments import Moments


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"collapse": "meen"}, "no collapse is called 'meen': did you mean mean"),
        ({"corrupt": "gausian"}, "no corrupt is called 'gausian': did you mean gaussian?"),
        ({"rescale": "units"}, "no rescale is called 'units': did you mean unit?"),
        ({"collapse": Unit()}, "'unit' is not a collapse. Use one of none, mean, shift, mean_std, memory."),
        ({"corrupt": Mean()}, "'mean' is not a corrupt. Use one of none, gaussian, span, covariance, lafite."),
        ({"rescale": Mean()}, "'mean' is not a rescale. Use one of none, unit, native."),
        ({"corrupt": 3}, "a corrupt is a name or a mapping with its kind, got 3."),
        ({"corrupt": {}}, "no corrupt is called 'None'"),
        ({"corrupt": {"kind": "gaussian", "sd": 1}}, "corrupt 'gaussian' has no option 'sd': did you mean std?"),
        ({"corrupt": {"kind": "gaussian", "std": "1"}}, "corrupt 'gaussian': std must be a number or auto, got '1'."),
        ({"corrupt": {"kind": "gaussian", "std": -0.1}}, "gaussian: std must be a number of at least 0, got -0.1."),
        ({"corrupt": {"kind": "span", "std": float("inf")}}, "span: std must be a number of at least 0, got inf."),
        ({"corrupt": {"kind": "lafite", "level": 1.1}}, "lafite: level must lie between 0 and 1, got 1.1."),
        ({"corrupt": {"kind": "lafite", "level": -0.1}}, "lafite: level must lie between 0 and 1, got -0.1."),
        ({"collapse": {"kind": "memory", "size": 0}}, "memory: size must be a whole number of at least 1, got 0."),
        ({"collapse": {"kind": "memory", "size": 2.0}}, "memory: size must be a whole number of at least 1, got 2.0."),
        ({"collapse": {"kind": "memory", "temperature": 0}}, "memory: temperature must be above 0, got 0."),
    ],
)
def test_a_wrong_part_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(WrongCall) as refused:
        C3Bridge(**given)
    assert str(refused.value).startswith(says)


def test_the_ends_of_a_range_are_taken() -> None:
    bridge = C3Bridge({"kind": "memory", "size": 1, "temperature": 1e-6}, {"kind": "lafite", "level": 1})
    assert (bridge.collapse, bridge.corrupt) == (Memory(1, 1e-6), Lafite(1))
    assert C3Bridge(MeanStd(), {"kind": "gaussian", "std": 0}).corrupt == Gaussian(0.0)
    assert C3Bridge(corrupt=Lafite(0.0)).corrupt.config() == {"kind": "lafite", "level": 0.0}


def test_its_repr_tells_its_parts() -> None:
    assert repr(preset("c3", noise_std=0.1)) == "C3Bridge(Mean(), Gaussian(std=0.1), Unit(), name='c3')"


def test_a_saved_bridge_whose_fields_are_wrong_is_named() -> None:
    with pytest.raises(WrongCall, match="^bridge: colapse: no such field, did you mean collapse"):
        C3Bridge.restore(preset("c3").config() | {"colapse": {}}, {})


def test_a_memory_is_searched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = normalize(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    bridge = C3Bridge(Memory(), "none", "none").fit({"text": rows, "image": rows}, target="text")
    whole = bridge.condition(rows, "image")
    monkeypatch.setattr(collapse, "_MEMORY_CHUNK", 7)
    torch.testing.assert_close(bridge.condition(rows, "image"), whole)
    assert bridge.condition(rows[:0], "image").shape == (0, 4)


def test_a_statistic_is_brought_to_the_embeddings_once() -> None:
    statistics = FittedStatistics("text")
    statistics.add("text", Moments.of(torch.eye(3), {"mean"}), frozenset(), sample_size=1)
    calls = []

    def compute() -> torch.Tensor:
        calls.append(1)
        return torch.ones(2, dtype=torch.float64)

    e, wide = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
    found = [statistics.derived(rows, "key", compute) for rows in (e, e, wide, wide)]
    assert len(calls) == 2  # one for each dtype
    assert [one.dtype for one in found] == [torch.float32] * 2 + [torch.float64] * 2
    assert statistics.derived(e, "other", compute) is not found[0]
    other = FittedStatistics("image")
    other.add("image", Moments.of(torch.eye(3) * 2, {"mean"}), frozenset(), sample_size=1)
    before = statistics.like(e, "text", "mean")
    statistics.replace(other)
    assert statistics.target_like(e, "mean").tolist() == pytest.approx((2 * before).tolist())
    assert (statistics.modalities, statistics.target, statistics.dim) == (("image",), "image", 3)
    with pytest.raises(WrongCall, match=r"not fitted on 'text' \(it knows image\)"):
        statistics.like(e, "text", "mean")


def test_statistics_hold_what_was_asked_for() -> None:
    moments = Moments.of(torch.eye(3), {"variance", "sample"})
    statistics = FittedStatistics()
    assert statistics.dim is None
    statistics.add("text", moments, frozenset({"sample", "variance"}), sample_size=2)
    statistics.add("image", None, frozenset(), sample_size=2)
    assert sorted(statistics.state()) == ["text.count", "text.mean", "text.norm", "text.sample", "text.variance"]
    assert statistics.state()["text.sample"].shape == (2, 3)
    assert statistics.state()["text.count"].item() == 3
    assert statistics.modalities == ("text", "image")
    restored = FittedStatistics.restore(None, ["text", "image"], statistics.state())
    assert (restored.modalities, restored.dim) == (("text", "image"), 3)
    assert restored.state().keys() == statistics.state().keys()
    copy = statistics.copy()
    copy.add("audio", moments, frozenset(), sample_size=1)
    assert statistics.modalities == ("text", "image")
    with pytest.raises(WrongCall, match=r"does not know which modality the decoder learns from"):
        statistics.of_target("mean")
    with pytest.raises(C3Error, match="without the covariance of 'text'"):
        statistics.get("text", "covariance")
