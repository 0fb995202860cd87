"""The C3 bridge as a whole: what it is fitted on, what it refuses, and the properties of its maps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.nn.functional import normalize

from c3core.bridges import C3Bridge, Mean, MeanStd, Memory, Native, NoCollapse, Shift, Unit, preset
from c3core.errors import C3Error, WrongCall
from c3core.statistics.moments import Moments

quick = settings(max_examples=40, deadline=None)
DIM = 5
VALUES = st.floats(-10, 10, allow_nan=False, width=32)


def rows(least: int = 2, most: int = 12) -> st.SearchStrategy[Tensor]:
    counts = st.integers(least, most)
    return counts.flatmap(lambda n: arrays(np.float32, (n, DIM), elements=VALUES)).map(torch.from_numpy)


def plain(collapse: Any) -> C3Bridge:
    return C3Bridge(collapse, "none", "none")


def draw(bridge: C3Bridge, e: Tensor, modality: str) -> Tensor:
    return bridge.train_condition(e, modality, generator=torch.Generator().manual_seed(0))


@quick
@given(rows(), rows())
def test_collapse_makes_the_modality_means_equal(text: Tensor, image: Tensor) -> None:
    for collapse in ("mean", "shift", "mean_std", MeanStd(shift=True)):
        bridge = plain(collapse).fit({"text": text, "image": image}, target="text")
        means = [bridge.condition(e.double(), m).mean(0) for m, e in (("text", text), ("image", image))]
        torch.testing.assert_close(means[0], means[1], rtol=0, atol=1e-9)


@quick
@given(rows(), rows())
def test_mean_std_makes_the_spreads_equal_where_the_source_varies(text: Tensor, image: Tensor) -> None:
    bridge = plain("mean_std").fit({"text": text, "image": image}, target="text")
    collapsed = bridge.condition(image.double(), "image").std(0, correction=0)
    own, target = image.double().std(0, correction=0), text.double().std(0, correction=0)
    expected = torch.where(own > 1e-6 * own.max(), target, own)
    torch.testing.assert_close(collapsed, expected, rtol=1e-6, atol=1e-6)


@quick
@given(rows(), rows(3, 3), arrays(np.float32, DIM, elements=VALUES).map(torch.from_numpy))
def test_mean_collapse_does_not_see_a_translation(image: Tensor, e: Tensor, gap: Tensor) -> None:
    image, e, gap = image.double(), e.double(), gap.double()
    here = plain("mean").fit({"image": image}).condition(e, "image")
    there = plain("mean").fit({"image": image + gap}).condition(e + gap, "image")
    torch.testing.assert_close(here, there, rtol=0, atol=1e-9)


@quick
@given(rows(), rows(4, 4))
def test_unit_has_norm_one_and_keeps_the_direction(image: Tensor, e: Tensor) -> None:
    bridge = C3Bridge("mean", "none", "unit").fit({"image": image})
    raw, unit = plain("mean").fit({"image": image}).condition(e, "image"), bridge.condition(e, "image")
    assert torch.isfinite(unit).all()
    for before, after in zip(raw, unit, strict=True):
        if before.norm() > 1e-6:
            assert after.norm() == pytest.approx(1.0, abs=1e-5)
            assert torch.dot(before, after) == pytest.approx(before.norm().item(), rel=1e-4)


@settings(max_examples=10, deadline=None)
@given(rows(), rows(), rows(3, 3))
@pytest.mark.parametrize("collapse", ["none", "mean", "shift", "mean_std", "memory"])
@pytest.mark.parametrize("rescale", ["none", "unit", "native"])
def test_without_corrupt_train_equals_use(collapse: str, rescale: str, text: Tensor, image: Tensor, e: Tensor) -> None:
    bridge = C3Bridge(collapse, "none", rescale).fit({"text": text, "image": image}, target="text")
    for modality in ("text", "image"):
        assert torch.equal(bridge.train_condition(e, modality), bridge.condition(e, modality))


@quick
@given(rows(), rows(3, 3))
def test_tensor_array_batches_and_moments_fit_alike(image: Tensor, e: Tensor) -> None:
    needs = frozenset({"mean", "variance"})
    batches = [[image[:1], image[1:]], iter(image.split(2))]
    forms = [image, image.numpy(), *batches, Moments.of(image, needs), _Store(image)]
    conditions = [plain("mean_std").fit({"image": form}).condition(e.double(), "image") for form in forms]
    for condition in conditions[1:]:
        torch.testing.assert_close(condition, conditions[0], rtol=1e-9, atol=1e-9)


class _Store:
    """Something with `.moments(needs)`, as a store has."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows

    def moments(self, needs: frozenset[str]) -> Moments:
        return Moments.of(self.rows, needs)


def test_memory_is_a_sample_of_the_target_no_larger_than_asked() -> None:
    text = normalize(torch.randn(100, DIM, generator=torch.Generator().manual_seed(0)), dim=-1)
    image = text.flip(0)[:7]
    for embeddings in (text, Moments.of(text, {"sample"}, sample_size=60)):
        bridge = plain(Memory(size=10)).fit({"text": embeddings, "image": image}, target="text")
        assert list(bridge.state()) == ["text.mean", "text.sample", "text.norm", "text.count"]  # nothing of the images
        memory = bridge.state()["text.sample"].double()
        assert memory.shape == (10, DIM)
        assert all((row == text.double()).all(1).any() for row in memory)
        weights = (image.double() @ memory.T * 100).softmax(-1)
        expected = normalize(weights @ memory, dim=-1)
        torch.testing.assert_close(bridge.condition(image, "image"), expected.float(), rtol=1e-4, atol=1e-5)
        assert torch.equal(bridge.condition(image, "text"), image)


def test_native_gives_the_target_s_own_frame_and_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    raw = 3 + torch.randn(500, DIM, generator=generator)
    norms = raw.norm(dim=-1)
    text, image = raw / norms.unsqueeze(1), normalize(torch.randn(300, DIM, generator=generator), dim=-1)
    bridge = preset("c3", noise_std=0.0).native()
    assert (bridge.collapse, bridge.rescale) == (Shift(), Native())
    bridge.fit({"text": Moments(DIM, bridge.needs).update(text, norms), "image": image}, target="text")
    mean_norm = norms.double().mean().item()
    torch.testing.assert_close(bridge.condition(text, "text"), text * mean_norm)
    shifted = image - image.mean(0) + text.mean(0)
    torch.testing.assert_close(
        bridge.condition(image, "image"), shifted / shifted.norm(dim=-1, keepdim=True) * mean_norm, rtol=1e-4, atol=1e-4
    )


def test_native_keeps_what_was_fitted_and_is_the_same_when_asked_twice() -> None:
    bridge = preset("c3").fit({"text": torch.eye(DIM), "image": -torch.eye(DIM)}, target="text")
    native = bridge.native()
    assert native.config() == bridge.native().native().config()
    assert (native.modalities, native.target) == (("text", "image"), "text")
    assert native.condition(torch.eye(DIM), "image").norm(dim=-1).tolist() == pytest.approx([1.0] * DIM)
    assert isinstance(bridge.collapse, Mean)  # the bridge itself is as it was
    native.fit({"text": 2 * torch.eye(DIM), "image": torch.eye(DIM)}, target="text").extend({"audio": torch.eye(DIM)})
    assert bridge.modalities == native.modalities == ("text", "image", "audio")  # to fit one is to fit both
    assert torch.equal(bridge.state()["text.mean"], native.state()["text.mean"])
    assert preset("mean_std").native().collapse == MeanStd(shift=True)
    assert preset("c1").native().collapse == NoCollapse()
    with pytest.raises(C3Error, match="without the norm"):
        preset("c1").fit({"text": torch.eye(DIM)}).native().condition(torch.eye(DIM), "text")


def test_half_precision_is_computed_in_float32() -> None:
    far = 100 + torch.arange(20, dtype=torch.float32).reshape(4, DIM) / 64
    bridge = plain("mean").fit({"image": far})
    e = far.to(torch.bfloat16)
    expected = (e.double() - far.double().mean(0)).to(torch.bfloat16)
    torch.testing.assert_close(bridge.condition(e, "image"), expected, rtol=0.01, atol=1e-4)


def test_config_and_state_are_exact_and_the_fitted_bridge_is_free_of_them() -> None:
    text = torch.randn(30, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    bridge = preset("close").fit({"text": text, "image": -text}, target="text")
    config = json.loads(json.dumps(bridge.config()))
    state = {name: value.clone() for name, value in bridge.state().items()}
    loaded = C3Bridge.restore(config, state)
    assert loaded.config() == bridge.config()
    assert state["text.mean"].dtype == state["text.covariance"].dtype == torch.float64
    torch.testing.assert_close(state["text.mean"], text.mean(0), rtol=1e-12, atol=1e-14)
    assert torch.equal(draw(loaded, text, "text"), draw(bridge, text, "text"))


def test_parts_by_object_by_kind_and_by_config_are_the_same() -> None:
    by_hand = C3Bridge(Mean(), {"kind": "gaussian", "std": "auto"}, Unit())
    assert by_hand.config() == preset("c3").config() == C3Bridge().config()
    for wrong in [
        {"collapse": "meen"},
        {"collapse": Unit()},
        {"collapse": 3},
        {"corrupt": {"kind": "gaussian", "sd": 1}},
        {"corrupt": {}},
    ]:
        with pytest.raises(WrongCall):
            C3Bridge(**wrong)  # type: ignore[arg-type]


def test_what_cannot_be_fitted_is_refused_and_leaves_the_bridge_as_it_was() -> None:
    bridge = preset("c3").fit({"text": torch.eye(DIM)})
    before = bridge.config(), bridge.condition(torch.ones(1, DIM), "text")
    bad = torch.eye(DIM)
    bad[3, 1] = float("nan")
    for embeddings in [
        {"text": torch.eye(DIM), "image": torch.eye(DIM + 1)},
        {"text": torch.zeros(0, DIM)},
        {"text": []},
        {"text": torch.ones(DIM)},
        {"text": "captions.txt"},
    ]:
        with pytest.raises(C3Error):
            bridge.fit(embeddings)
        with pytest.raises(C3Error, match="^image: "):
            bridge.fit({"text": torch.eye(DIM), "image": bad})
        with pytest.raises(C3Error):
            bridge.extend({"audio": torch.eye(DIM), "video": bad})
        with pytest.raises(WrongCall, match="6 dimensions, the others 5"):
            bridge.extend({"audio": torch.eye(DIM), "video": torch.eye(DIM + 1)})
        assert bridge.config() == before[0]
        assert torch.equal(bridge.condition(torch.ones(1, DIM), "text"), before[1])


def test_the_target_is_needed_only_if_a_part_reads_it() -> None:
    image = {"image": torch.eye(DIM)}
    assert preset("c3").fit(image, target="text").target == "text"  # as in supervised training on images
    assert preset("c3").fit({**image, "text": torch.eye(DIM)}).target is None
    assert preset("decap").fit({"text": torch.eye(DIM)}).target == "text"
    for name in ("decap", "close", "mean_std", "capdec_offset"):
        with pytest.raises(WrongCall):
            preset(name).fit(image, target="text")
        with pytest.raises(WrongCall, match="target="):
            preset(name).fit({**image, "text": torch.eye(DIM)})


def test_only_what_is_read_is_gathered() -> None:
    def unread() -> Any:
        pytest.fail("the images were read")
        yield

    rows = torch.eye(DIM)
    for bridge in (preset("c1"), preset("decap"), preset("decap").native(), preset("c1").native()):
        bridge.fit({"text": rows, "image": unread()}, target="text")
        assert bridge.condition(rows, "image").shape == rows.shape
    close = preset("close").fit({"text": rows, "image": rows}, target="text")
    assert "image.covariance" not in close.state()
    later = preset("c3").native().fit({"text": rows}).extend({"image": rows})
    assert {"image.mean", "text.norm"} <= later.state().keys()


def test_errors_at_use_say_what_to_do() -> None:
    with pytest.raises(WrongCall, match="not fitted"):
        preset("c3").condition(torch.eye(DIM), "text")
    with pytest.raises(WrongCall, match="not fitted"):
        preset("decap").condition(torch.eye(DIM), "image")
    with pytest.raises(WrongCall, match="not fitted"):
        preset("c3").extend({"audio": torch.eye(DIM)})
    bridge = preset("c3").fit({"text": torch.eye(DIM), "image": torch.eye(DIM)}, target="text")
    with pytest.raises(WrongCall, match=r"pipeline\.extend\(\{'audio': items\}\)"):
        bridge.condition(torch.eye(DIM), "audio")
    with pytest.raises(WrongCall, match="fitted on 'image' already"):
        bridge.extend({"image": torch.eye(DIM)})
    for wrong in (torch.ones(2, 4), torch.ones(5), torch.ones(2, 5, dtype=torch.int64), [[1.0] * DIM]):
        with pytest.raises(WrongCall, match=r"\(n, 5\)"):
            bridge.condition(wrong, "text")  # type: ignore[arg-type]


def test_a_bridge_that_needs_nothing_takes_any_modality_without_fitting() -> None:
    bridge = preset("c1")
    e = torch.tensor([[3.0, 4.0]])
    assert bridge.condition(e, "smell")[0].tolist() == pytest.approx([0.6, 0.8])
    assert bridge.fit({"text": iter(())}).state() == {}  # what is not needed is not read


def test_a_foreign_config_or_state_is_refused() -> None:
    bridge = preset("c3").fit({"text": torch.eye(DIM)})
    with pytest.raises(C3Error, match="collapse"):
        C3Bridge.restore({k: v for k, v in bridge.config().items() if k != "collapse"}, {})
    with pytest.raises(C3Error, match="config does not list"):
        C3Bridge.restore(bridge.config(), {"image.mean": torch.zeros(DIM)})
    with pytest.raises(C3Error, match="without the mean of 'text'"):
        C3Bridge.restore(bridge.config(), {}).condition(torch.eye(DIM), "text")


def test_a_bridge_takes_what_it_was_fitted_on_or_any_modality_if_it_reads_only_the_target() -> None:
    rows = {"text": torch.eye(DIM), "image": torch.eye(DIM) + 1}
    mean, noise = preset("c3"), preset("capdec")
    assert not mean.takes("text")  # not fitted yet
    assert noise.takes("text")  # needs no statistics
    mean.fit(rows, target="text")
    assert [mean.takes(modality) for modality in ("text", "image", "audio")] == [True, True, False]
    span = preset("c2_2_span").fit(rows, target="text")
    assert span.takes("image")


def test_the_smallest_memory_holds_one_embedding() -> None:
    memory = plain(Memory(size=1, temperature=0.5)).fit({"text": torch.eye(DIM)})
    assert memory.state()["text.sample"].shape == (1, DIM)
    with pytest.raises(WrongCall):
        Memory(size=0)


def test_the_mean_norm_is_kept_in_float64() -> None:
    bridge = C3Bridge("none", "none", "native").fit({"text": 3 * torch.eye(DIM)})
    assert bridge.state()["text.norm"].dtype == torch.float64
