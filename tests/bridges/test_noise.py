"""The alignment noise against numpy, and the level of noise that is chosen by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from c3core import Space, load_space
from c3core.bridges import preset
from c3core.bridges.noise import (
    ITEMS,
    OF_SENTENCES,
    MeasuredNoise,
    alignment_noise,
    choose_noise,
    noise_of_pairs,
    noise_of_sentences,
    noise_of_space,
    spread_within,
    uses_noise,
)
from c3core.errors import WrongCall
from tests.helpers.pairs import unit_pairs

SIZES = st.tuples(st.integers(2, 12), st.integers(1, 6), st.integers(0, 2**16))


def rows(count: int, dim: int, seed: int) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_alignment_noise_is_the_standard_deviation_of_the_differences(sizes: tuple[int, int, int]) -> None:
    n, dim, seed = sizes
    x, y = rows(n, dim, seed), rows(n, dim, seed + 1) + 5
    expected = np.sqrt(np.var(x.double().numpy() - y.double().numpy(), axis=0, ddof=1).mean())
    assert alignment_noise(x, y) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=5))
def test_the_spread_within_groups_pools_their_variances(sizes: list[tuple[int, int, int]]) -> None:
    groups = [rows(n, 3, seed) + 10 * seed % 7 for n, _, seed in sizes]
    squares = sum(float((np.var(group.double().numpy(), axis=0) * len(group)).sum()) for group in groups)
    expected = np.sqrt(squares / (3 * sum(len(group) - 1 for group in groups)))
    assert spread_within(groups) == pytest.approx(expected, rel=1e-6)


def test_a_known_noise_is_found_and_the_gap_is_left_out() -> None:
    x, y = unit_pairs(600, noise=0.1)
    found = alignment_noise(x, y)
    assert found == pytest.approx(((x - y)[:, :40].double().square().sum(1).mean().item() / 64) ** 0.5, rel=0.01)
    assert alignment_noise(x + 3, y) == pytest.approx(found, rel=1e-5)
    with pytest.raises(WrongCall):
        alignment_noise(x[:1], y[:1])


def test_a_space_tells_the_largest_noise_of_the_modalities_that_are_used() -> None:
    space = Space("s", 2, {}, noise_std={("image", "text"): 0.04, ("text", "audio"): 0.06, ("image", "audio"): 0.5})
    for modalities, expected in ((["image"], 0.04), (["image", "text"], 0.04), (["image", "audio"], 0.06)):
        found = noise_of_space(space, "text", modalities)
        assert found is not None
        assert found.std == expected
    assert noise_of_space(space, "text", ["video"]) is None
    assert noise_of_space(Space("s", 2, {}), "text") is None


def test_pairs_and_sentences_of_the_playground_tell_its_noise() -> None:
    """The space says what was measured when it was trained. Sentences give an estimate."""
    from c3_playground.world import World

    space, items = load_space("playground"), World().items("image", "test", 30)
    image, text = space.encoder("image"), space.encoder("text")
    known = noise_of_space(space, "text", ["image"])
    assert known is not None
    names = [item.id for item in items for _ in range(2)]
    pictures = [item.data for item in items for _ in range(2)]
    sentences = [sentence for item in items for sentence in item.sentences[:2]]
    pairs = noise_of_pairs(image, pictures, text, sentences, names)
    assert pairs is not None
    assert pairs.source == "30 pairs of image and text"  # one of each item
    assert pairs.std == pytest.approx(known.std, rel=0.05)
    again = alignment_noise(image.encode(pictures[::2]), text.encode(sentences[::2]))
    assert pairs.std == pytest.approx(again, rel=1e-6)
    estimate = noise_of_sentences(text, sentences, names)
    assert estimate is not None
    halves = text.encode(sentences).double().reshape(30, 2, -1)
    by_hand = OF_SENTENCES * ((halves[:, 0] - halves[:, 1]).square().mean() / 2) ** 0.5
    assert estimate.std == pytest.approx(by_hand.item(), rel=1e-5)
    assert estimate.std == pytest.approx(known.std, rel=0.5)
    assert noise_of_sentences(text, sentences, range(60)) is None  # each item has one sentence
    assert noise_of_pairs(image, pictures[:9], text, sentences[:9], range(9)) is None


def test_what_cannot_be_read_is_left_out_of_a_measurement() -> None:
    from c3_playground.world import World

    space, items = load_space("playground"), World().items("image", "test", 14)
    pictures = [*(item.data for item in items[:12]), "missing.png", items[13].data]
    sentences = [item.sentences[0] for item in items[:13]] + [""]
    found = noise_of_pairs(space.encoder("image"), pictures, space.encoder("text"), sentences, range(14))
    assert found is not None
    assert found.source == "12 pairs of image and text"


def test_many_items_are_sampled_from_all_over_the_list() -> None:
    class Counting:
        modality = "text"
        seen: list[int] = []  # noqa: RUF012

        def encode_batches(self, sources: list[int]) -> list[object]:
            self.seen = sources
            return []

    encoder = Counting()
    noise_of_pairs(encoder, range(1000), encoder, range(1000), [k // 2 for k in range(1000)])  # type: ignore[arg-type]
    assert len(encoder.seen) == ITEMS
    assert encoder.seen[0] == 0
    assert max(encoder.seen) > 900


def test_auto_takes_the_measured_level_for_both_forms_of_a_bridge(capsys: pytest.CaptureFixture[str]) -> None:
    bridge = preset("c3").fit({"text": torch.eye(4), "image": -torch.eye(4)}, target="text")
    native = bridge.native()
    assert uses_noise(native)
    assert bridge.config()["corrupt"]["std"] == "auto"
    assert choose_noise(native, MeasuredNoise(0.04, "pairs"), quiet=False) == {"noise_std": 0.06, "noise_from": "pairs"}
    assert "noise_std 0.06: 1.5 times the alignment noise, 0.04 (pairs)" in capsys.readouterr().err
    assert bridge.config()["corrupt"] == native.config()["corrupt"] == {"kind": "gaussian", "std": 0.06}
    bridge.extend({"audio": torch.eye(4)})
    assert bridge.config()["corrupt"]["std"] == 0.06
    bridge.fit({"text": torch.eye(4)})
    assert bridge.config()["corrupt"]["std"] == "auto"  # chosen anew by the next fit of a pipeline


def test_without_a_measurement_the_level_of_the_paper_is_taken_with_a_warning() -> None:
    bridge = preset("c3")
    with pytest.warns(UserWarning, match=r"noise_std is 0\.1265"):
        assert choose_noise(bridge, None, quiet=True)["noise_std"] == pytest.approx(0.016**0.5)
    assert bridge.config()["corrupt"]["std"] == pytest.approx(0.016**0.5)


def test_a_given_level_is_kept_and_warned_of_if_it_is_far_too_high(recwarn: pytest.WarningsRecorder) -> None:
    for level in (0.1, 0.11):  # 4 and 4.4 times
        assert not recwarn.list
        bridge = preset("c3", noise_std=level)
        assert choose_noise(bridge, MeasuredNoise(0.025, "pairs"), quiet=True)["noise_std"] == level
        assert bridge.config()["corrupt"]["std"] == level
    assert "4.4 times the alignment noise" in str(recwarn.pop(UserWarning).message)
    assert not uses_noise(preset("c1"))
