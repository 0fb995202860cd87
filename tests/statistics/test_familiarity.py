"""How far items lie from known ones against numpy, and what is called foreign."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from c3core.statistics.familiarity import (
    CERTAIN,
    LEAST,
    Familiarity,
    ForeignCheck,
    familiarity_states,
    read_familiarity,
)
from c3core.statistics.moments import Moments

DIM = 16


def known_items(count: int, seed: int, *, outside: float = 0.3) -> Tensor:
    """Unit embeddings (count, DIM) whose first four dimensions vary most, around a mean of their own."""
    rows = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))
    rows[:, 4:] *= outside
    rows[:, 0] += 2
    return normalize(rows, dim=-1)


def test_distances_are_those_of_a_singular_value_decomposition() -> None:
    rows = known_items(500, 0)
    known = Familiarity.of(rows)
    assert known is not None
    sample = Moments.of(rows, {"sample"}, sample_size=4000).sample.double().numpy()
    half, others = sample[::2], sample[1::2]
    main = np.linalg.svd(half - half.mean(0), full_matrices=False)[2][: DIM // 4]

    def logs(e: np.ndarray) -> np.ndarray:
        centered = e - half.mean(0)
        found: np.ndarray = np.log(((centered - centered @ main.T @ main) ** 2).sum(1))
        return found

    expected = (logs(sample) - logs(others).mean()) / logs(others).std(ddof=1)
    assert known.distances(torch.tensor(sample)).numpy() == pytest.approx(expected, abs=0.02)  # half precision
    assert known.distances(torch.tensor(others)).mean().item() == pytest.approx(0, abs=1e-6)
    assert known.distances(torch.tensor(others)).std().item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 5, 10, 50])
def test_known_items_are_hardly_ever_called_foreign(count: int) -> None:
    known = Familiarity.of(known_items(2000, 0))
    wrong = sum(ForeignCheck(known).add(known_items(count, seed)).found for seed in range(1, 101))
    assert wrong <= 2


@settings(max_examples=30, deadline=None)
@given(st.integers(10, 200), st.integers(1, 1000))
def test_ten_or_more_other_items_are_called_foreign(count: int, seed: int) -> None:
    known = Familiarity.of(known_items(2000, 0))
    assert ForeignCheck(known).add(known_items(count, seed, outside=1.0)).found


def test_several_batches_are_judged_together() -> None:
    known = Familiarity.of(known_items(2000, 0))
    assert known is not None
    rows = known_items(30, 1, outside=0.48)
    mean = known.distances(rows).mean().item()
    assert max(LEAST, CERTAIN / 30**0.5) < mean < CERTAIN / 5**0.5  # enough for all, not for five
    check, each = ForeignCheck(known), []
    for part in rows.split(5):
        check.add(part)
        each.append(ForeignCheck(known).add(part).found)
    assert check.found
    assert not all(each)
    with pytest.warns(UserWarning, match="the 30 image items are unlike those of the fit"):
        check.warn("image", "those of the fit")


@pytest.mark.parametrize(
    ("count", "reasons", "said"),
    [
        (1, ["it is blue"], "the image item is unlike all that the encoder was trained on: it is blue"),
        (9, ["it is blue"], "1 of the 9 image items is unlike all that the encoder was trained on: it is blue"),
        (9, ["it is odd", "it is old"], r"2 of the 9 image items are unlike .* trained on \(the first: it is odd\)"),
        (2, ["it is odd", "it is old"], r"the 2 image items are unlike .* trained on \(the first: it is odd\)"),
    ],
)
def test_what_an_encoder_finds_unlike_is_told_with_a_reason(count: int, reasons: list[str], said: str) -> None:
    check = ForeignCheck(Familiarity.of(known_items(2000, 0))).add(known_items(count, 1), reasons)
    assert check.found
    with pytest.warns(UserWarning, match=f"^{said}. What is made of (it|them) may say little.$"):
        check.warn("image", "those of the fit")


def test_nothing_is_told_of_few_items_or_of_none(recwarn: pytest.WarningsRecorder) -> None:
    assert Familiarity.of(known_items(DIM - 1, 0)) is None
    assert Familiarity.of(known_items(DIM, 0)) is not None
    for check in (ForeignCheck(None).add(known_items(9, 0)), ForeignCheck(Familiarity.of(known_items(99, 0)))):
        check.warn("image", "those of the fit")
        assert not check.found
    assert not recwarn.list


def test_a_saved_state_gives_the_same_distances(tmp_path: Path) -> None:
    known = {"text": Familiarity.of(known_items(99, 0)), "a.b": Familiarity.of(known_items(99, 1))}
    save_file(familiarity_states({modality: one for modality, one in known.items() if one}), tmp_path / "familiar")
    assert read_familiarity(tmp_path / "missing") == {}
    for modality, again in read_familiarity(tmp_path / "familiar").items():
        one, rows = known[modality], known_items(5, 2)
        assert one is not None
        assert torch.equal(one.distances(rows), again.distances(rows))
