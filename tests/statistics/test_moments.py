"""Moments against two passes in float64 with numpy, in any batching."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from c3core.errors import C3Error, WrongCall
from c3core.statistics.moments import NEEDS, Moments
from tests.helpers.small_stores import unit, write

quick = settings(max_examples=40, deadline=None)
SEEDS = 700


def data(count: int, dim: int = 4, *, seed: int = 0, offset: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    turn = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    return torch.randn(count, dim, generator=generator, dtype=torch.float64) @ turn + offset


def check(moments: Moments, rows: Tensor, *, rel: float = 1e-10) -> None:
    """Mean, variance and covariance equal numpy's two-pass ones, relative to the spread of the rows."""
    reference = rows.double().numpy()
    scale = max(reference.var(0).max(), 1e-300)
    assert moments.count == len(rows)
    np.testing.assert_allclose(moments.mean, reference.mean(0), rtol=1e-14, atol=rel * math.sqrt(scale))
    np.testing.assert_allclose(moments.variance, reference.var(0), rtol=0, atol=rel * scale)
    if "covariance" in moments.needs:
        expected = np.cov(reference.T, bias=True).reshape(moments.dim, moments.dim)
        np.testing.assert_allclose(moments.covariance, expected, rtol=0, atol=rel * scale)


@pytest.mark.parametrize("needs", [{"variance"}, {"covariance"}, NEEDS], ids=lambda needs: "+".join(sorted(needs)))
@pytest.mark.parametrize("count", [1, 2, 511, 512, 513, 3000])
def test_against_two_passes(needs: frozenset[str], count: int) -> None:
    rows = data(count)
    check(Moments(4, needs).update(rows), rows)


@quick
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6), st.sampled_from([0.0, 1e3, 1e6]))
def test_any_batching_far_from_the_origin(sizes: list[int], offset: float) -> None:
    rows = data(sum(sizes) + 1, offset=offset)
    moments = Moments(4)
    for batch in torch.split(rows, [*sizes, 1]):
        moments.update(batch)
    # the input itself is exact to 1e-16 of the offset, so that a variance of one is to 1e-16 · 1e6² / rows at worst
    check(moments, rows, rel=1e-9)


def test_a_naive_sum_of_squares_would_fail_where_this_does_not() -> None:
    rows = data(2000, offset=1e8)
    naive = (rows.square().mean(0) - rows.mean(0).square()).sub(rows.var(0, correction=0)).abs().max()
    assert naive > 0.1
    check(Moments.of(rows), rows, rel=1e-6)


def test_float32_rows_of_many_batches() -> None:
    generator = torch.Generator().manual_seed(1)
    batches = [torch.randn(1000, 8, generator=generator) * 1e-3 + 7.0 for _ in range(200)]
    check(Moments.of(iter(batches)), torch.cat(batches), rel=1e-8)


def test_the_sample_is_uniform_and_independent_of_batches() -> None:
    rows = torch.arange(200.0).unsqueeze(1)
    hits = torch.zeros(200)
    for seed in range(SEEDS):
        sample = Moments(1, {"sample"}, sample_size=20, seed=seed).update(rows).sample.flatten().long()
        assert len(sample.unique()) == 20  # without replacement
        hits[sample] += 1
    # Each row is taken with probability 0.1.
    expected, error = SEEDS * 0.1, math.sqrt(SEEDS * 0.1 * 0.9)
    assert (hits - expected).abs().max() < 5 * error
    assert hits[:100].sum() == pytest.approx(100 * expected, abs=5 * math.sqrt(100) * error)
    whole = Moments(1, {"sample"}, sample_size=20, seed=5).update(rows)
    pieces = Moments(1, {"sample"}, sample_size=20, seed=5)
    for batch in torch.split(rows, [1, 30, 0, 100, 69]):
        pieces.update(batch)
    assert torch.equal(whole.sample, pieces.sample)
    assert not torch.equal(whole.sample, Moments(1, {"sample"}, sample_size=20, seed=6).update(rows).sample)


def test_the_sample_holds_all_rows_when_they_fit_and_owns_them() -> None:
    rows = data(7).float()
    moments = Moments(4, {"sample"}, sample_size=7).update(rows)
    kept = sorted(rows.tolist())
    rows.zero_()
    assert sorted(moments.sample.tolist()) == kept
    assert moments.sample.dtype == torch.float32


def test_mean_norm() -> None:
    moments = Moments(2, {"mean"})
    assert moments.mean_norm == 1.0
    moments.update(torch.ones(2, 2), torch.tensor([3.0, 5.0])).update(torch.ones(1, 2))
    assert moments.mean_norm == 4.0  # of those that came with one
    with pytest.raises(C3Error, match="one norm a row"):
        moments.update(torch.ones(2, 2), torch.ones(3))
    with pytest.raises(C3Error, match="norm of row 4 holds NaN"):
        moments.update(torch.ones(2, 2), torch.tensor([1.0, float("inf")]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_bad_row_is_named_and_nothing_of_its_batch_is_added(value: float) -> None:
    rows = data(2000)
    moments = Moments(4).update(rows[:1000])
    before = (moments.count, moments.mean, moments.covariance, moments.sample)
    bad = rows[1000:].clone()
    bad[777, 2] = value
    with pytest.raises(C3Error, match=r"row 1777 holds NaN or infinite"):
        moments.update(bad)
    assert moments.count == before[0]
    for now, then in zip((moments.mean, moments.covariance, moments.sample), before[1:], strict=True):
        assert torch.equal(now, then)
    check(moments.update(rows[1000:]), rows)


def test_a_wrong_type_or_shape_is_refused() -> None:
    for wrong, message in [
        (torch.ones(3), r"shape \(n, d\), got \(3,\)"),
        (torch.ones(2, 3), "dimension 3 came to moments of dimension 4"),
        ([[1.0]], "got list"),
    ]:
        with pytest.raises(C3Error, match=message):
            Moments(4).update(wrong)  # type: ignore[arg-type]
    for given_wrong in ("text", 3, {"text": torch.ones(1, 1)}):
        with pytest.raises(C3Error, match="batches of them, a store or moments"):
            Moments.of(given_wrong)
    with pytest.raises(C3Error, match="an iterable without a batch"):
        Moments.of([])
    with pytest.raises(C3Error, match="cannot gather 'means': did you mean mean"):
        Moments(4, {"means"})
    with pytest.raises(C3Error, match="at least 1"):
        Moments(4, sample_size=0)


def test_a_statistic_that_was_not_gathered_is_refused() -> None:
    moments = Moments(4, {"mean"}).update(data(3))
    for name in ("variance", "covariance", "sample"):
        with pytest.raises(C3Error, match=f"did not gather the {name}"):
            getattr(moments, name)
    with pytest.raises(C3Error, match="lack variance"):
        Moments.of(moments, {"mean", "variance"})
    sampled = Moments(4, sample_size=2).update(data(3))
    assert Moments.of(sampled, {"sample"}) is Moments.of(sampled, {"sample"}, sample_size=2) is sampled
    with pytest.raises(C3Error, match="a sample of 3 rows is wanted, these moments hold 2"):
        Moments.of(sampled, {"sample"}, sample_size=3)
    with pytest.raises(C3Error, match="have seen no embeddings"):
        _ = Moments(4).mean
    covariance = Moments(4, {"covariance"}).update(data(3))
    assert Moments.of(covariance, {"mean", "variance"}) is covariance  # the covariance holds the variance


def test_read_only_arrays_other_dtypes_and_gradients() -> None:
    rows = data(50).float()
    array = rows.numpy().copy()
    array.flags.writeable = False
    check(Moments.of(array), rows)
    check(Moments.of(rows.half()), rows.half())
    check(Moments.of(rows.clone().requires_grad_()), rows)


def test_a_sample_may_have_one_row() -> None:
    moments = Moments(4, {"sample"}, sample_size=1)
    moments.update(data(9))
    assert moments.sample.shape == (1, 4)
    with pytest.raises(C3Error):
        Moments(4, {"sample"}, sample_size=0)


def test_those_of_a_store_are_those_of_its_rows(tmp_path: Path) -> None:
    rows = unit(60)
    store = write(tmp_path / "store", rows)
    moments = Moments.of(store, {"covariance"})
    check(moments, rows)
    assert moments.needs == {"covariance"}


def test_streams_with_one_seed_are_sampled_independently() -> None:
    rows = torch.arange(200.0).unsqueeze(1)

    def places(offset: float, seed: int = 0) -> list[int]:
        sample = Moments(1, {"sample"}, sample_size=20, seed=seed).update(rows + offset).sample
        return (sample - offset).flatten().long().tolist()

    assert places(0) == places(0)
    assert len({tuple(places(0)), tuple(places(1000)), tuple(places(0, seed=2**32))}) == 3


def test_the_sample_of_many_batches_is_that_of_one() -> None:
    rows = data(3000).float()
    for size in (1, 2, 100, 2999):
        whole = Moments(4, {"sample"}, sample_size=size).update(rows).sample
        pieces = Moments(4, {"sample"}, sample_size=size)
        for batch in rows.split(37):
            pieces.update(batch)
            assert len(pieces.sample) == min(size, pieces.count)
        assert torch.equal(pieces.sample, whole)
        assert len(whole.unique(dim=0)) == size


def test_what_is_gathered_has_the_size_and_the_seed_that_were_asked_for(tmp_path: Path) -> None:
    rows = unit(60)
    store = write(tmp_path / "store", rows)
    expected = Moments(8, {"sample"}, sample_size=9, seed=5).update(rows).sample
    for source in (rows, rows.numpy(), iter(rows.split(7)), store):
        assert torch.equal(Moments.of(source, {"sample"}, sample_size=9, seed=5).sample, expected)
    assert len(Moments.of(rows, {"sample"}).sample) == 60
    for default in (Moments(8, sample_size=9).update(rows), Moments.of(rows, sample_size=9)):
        assert torch.equal(default.sample, Moments(8, {"sample"}, sample_size=9, seed=0).update(rows).sample)
    assert Moments.of(rows, {"mean"}).needs == {"mean"}


def test_its_repr_tells_what_it_holds() -> None:
    moments = Moments(4, {"covariance"}).update(data(3))
    assert repr(moments) == "Moments(count=3, dim=4, needs=covariance, mean, variance)"


@pytest.mark.parametrize("options", [{"dim": 0}, {"sample_size": 0}, {"seed": -1}, {"seed": 2**63}])
def test_sizes_and_seeds_are_checked(options: dict[str, int]) -> None:
    with pytest.raises(WrongCall, match="at least 1, and a seed from 0"):
        Moments(**{"dim": 1, **options})
    assert Moments(1, sample_size=1, seed=2**63 - 1).update(torch.ones(1, 1)).count == 1


def test_statistics_that_are_read_do_not_change_with_later_rows() -> None:
    rows = data(9)
    moments = Moments(4).update(rows[:5])
    mean, variance, covariance = moments.mean, moments.variance, moments.covariance
    moments.mean.zero_()
    check(moments.update(rows[5:]), rows)
    np.testing.assert_allclose(mean, rows[:5].mean(0))
    np.testing.assert_allclose(variance, rows[:5].var(0, correction=0))
    np.testing.assert_allclose(covariance.diagonal(), variance)


def test_no_rows_change_nothing_and_no_columns_are_refused() -> None:
    moments = Moments(4).update(data(3))
    assert moments.update(torch.zeros(0, 4), torch.zeros(0)).count == 3
    assert moments.mean_norm == 1.0
    with pytest.raises(C3Error, match=r"got \(3, 0\)"):
        Moments.of(torch.zeros(3, 0))
    with pytest.raises(C3Error, match=r"Gather with needs=\['covariance', 'mean'\]"):
        Moments.of(Moments(4, {"variance"}), ["mean", "covariance"])
    with pytest.raises(C3Error, match=r"Ask for it: needs=\['mean', 'sample'\]"):
        _ = Moments(4, {"mean"}).update(data(3)).sample


def test_memory_maps_are_read_without_a_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", data(5).numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Moments.of(np.load(tmp_path / "rows.npy", mmap_mode="r")).count == 5
