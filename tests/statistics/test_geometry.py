"""Geometry by hand, against plain loops, and on pairs with a known gap and noise."""

from __future__ import annotations

import json
import math
import warnings
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from c3core.errors import C3Error, WrongCall
from c3core.statistics.geometry import Spread, measure_geometry, measure_groups
from c3core.store.store import Store
from tests.helpers.pairs import unit_pairs
from tests.helpers.small_stores import KIND, write

DIM, GROUP, GAP = 64, 100, 0.8


def test_two_groups_by_hand() -> None:
    grouped = torch.tensor(
        [
            # d = (1, 0), (0, 2): gap (½, 1), noise ±(½, −1), r = (1, −1)
            [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.0, -1.0]]],
            # the same item twice: d = (1, 0), (1, −2): gap (1, −1), noise ±(0, 1), r = 0
            [[[2.0, 0.0], [1.0, 0.0]], [[2.0, 0.0], [1.0, 2.0]]],
        ]
    )
    values, left_out, squares = measure_groups(grouped)
    assert values["gap_length"].tolist() == pytest.approx([math.sqrt(1.25), math.sqrt(2)])
    assert values["gap_direction"].tolist() == pytest.approx([-0.5 / math.sqrt(2.5)])
    assert values["gap_span_x"].tolist() == pytest.approx([-0.5 / math.sqrt(2.5)])
    assert values["gap_span_y"].tolist() == pytest.approx([1 / math.sqrt(1.25), 1 / math.sqrt(2)])
    assert values["noise_mean"].tolist() == pytest.approx([0.0, 0.0])
    cosine = 1 / math.sqrt(1.25)  # of each ε of one group with each of the other
    assert values["noise_cosine"].tolist() == pytest.approx([-cosine, cosine, cosine, -cosine])
    assert values["pair_cosine"].tolist() == pytest.approx([0.0, -1.0, 1.0, 1 / math.sqrt(5)])
    assert left_out == {"span_x": 1, "span_y": 0, "noise": 0}
    assert squares == pytest.approx(4.5)


def test_against_plain_loops() -> None:
    x, y = unit_pairs(30)
    grouped = torch.stack([x, y], dim=1).reshape(3, 10, 2, DIM)
    values, _, squares = measure_groups(grouped)
    spans: dict[str, list[float]] = {"x": [], "y": []}
    gaps, noises, total = [], [], 0.0

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    for group in grouped.double().numpy():
        d = group[:, 0] - group[:, 1]
        gap = d.mean(0)
        gaps.append(gap)
        noises.append(d - gap)
        total += ((d - gap) ** 2).sum()
        for j, k in combinations(range(10), 2):
            for side, name in enumerate(spans):
                spans[name].append(cosine(gap, group[j, side] - group[k, side]))
    for name, expected in spans.items():
        assert values[f"gap_span_{name}"].tolist() == pytest.approx(expected, abs=1e-12)
    across = [cosine(a, b) for one, other in pairwise(noises) for a in one for b in other]
    assert values["noise_cosine"].tolist() == pytest.approx(across, abs=1e-12)
    directions = [cosine(a, b) for a, b in combinations(gaps, 2)]
    assert values["gap_direction"].tolist() == pytest.approx(directions, abs=1e-12)
    assert squares == pytest.approx(total)


def test_a_known_gap_and_noise_are_recovered() -> None:
    x, y = unit_pairs(8000)
    squares = (x - y)[:, :40].double().square().sum(1).mean().item()  # of a pair's noise
    found = measure_geometry(x, y, group_size=GROUP)
    assert (found.n, found.dim, found.groups, found.group_size) == (8000, DIM, 80, GROUP)
    # The mean of a group keeps a hundredth of the noise's variance.
    squared = GAP**2 + squares / GROUP
    assert found.gap_length is not None
    assert found.gap_length.mean == pytest.approx(squared**0.5, abs=0.001)
    assert found.gap_direction is not None
    assert found.gap_direction.mean == pytest.approx(GAP**2 / squared, abs=0.0005)
    assert found.gap_span_x is not None
    assert found.gap_span_x.mean == pytest.approx(0.0, abs=0.005)
    assert found.gap_span_y is not None
    assert found.gap_span_y.mean == pytest.approx(0.0, abs=0.005)
    assert found.noise_mean is not None
    assert abs(found.noise_mean.mean) < 1e-12
    assert found.noise_mean.std < 1e-12
    assert found.noise_cosine is not None
    assert found.noise_cosine.mean == pytest.approx(0.0, abs=0.001)
    assert found.noise_cosine.std == pytest.approx(1 / 40**0.5, rel=0.05)
    assert found.noise_std == pytest.approx((squares / DIM) ** 0.5, rel=0.005)
    assert found.left_out == {"span_x": 0, "span_y": 0, "noise": 0}
    assert found.effective_dimension == {"x": 40, "y": 40, "noise": 40}
    removed = found.distribution_gap["before"] - found.distribution_gap["after"]
    assert removed == pytest.approx((x.double().mean(0) - y.double().mean(0)).square().sum().item())


@pytest.mark.parametrize("scale", [10.0, torch.linspace(0.1, 20, 1000)[:, None]])
def test_rows_of_other_norms_are_normalized_with_a_warning(scale: float | Tensor) -> None:
    x, y = unit_pairs(1000)
    expected = measure_geometry(x, y)
    with pytest.warns(UserWarning, match="y has rows that are not of unit norm"):
        found = measure_geometry(x, y * scale)
    assert found.noise_std == pytest.approx(expected.noise_std, rel=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure_geometry(x.half(), y.half())  # rounding is no other norm


def test_a_row_without_a_direction_is_named() -> None:
    x, y = unit_pairs(1000)
    for value, message in ((0.0, "row 700 of y is zero"), (math.nan, "row 700 of y holds NaN")):
        y[700] = value
        with pytest.raises(C3Error, match=message):
            measure_geometry(x.split(300), y.split(300))
    x, y = unit_pairs(9000, span=3, dim=8)
    y[8500] = 0.0  # after the first chunk that is read
    with pytest.raises(C3Error, match="row 8500 of y is zero"):
        measure_geometry(x, y)


def test_a_gap_inside_the_span_shows() -> None:
    x, y = unit_pairs(4000)
    inside = y.clone()
    inside[:, :20] *= -1  # the "gap" follows the item: every statistic but the noise mean shows it
    found = measure_geometry(inside, y)
    assert found.gap_direction is not None
    assert abs(found.gap_direction.mean) < 0.2
    outside = measure_geometry(x, y)
    assert outside.gap_direction is not None
    assert outside.gap_direction.mean > 0.99


@pytest.mark.filterwarnings("ignore:items repeat", "ignore:too few rows")
def test_the_same_item_twice_is_left_out_and_counted() -> None:
    x, y = unit_pairs(200)
    x = x[: 200 // 5].repeat_interleave(5, dim=0)  # five captions a photo
    jitter = x * (1 + 1e-7 * torch.randn(200, DIM, generator=torch.Generator().manual_seed(1)))  # batch by batch
    for photos in (x, jitter):
        found = measure_geometry(photos, y, group_size=100)
        # 400 of the 19,900 pairs are of one photo; half as many fall into one of the two groups
        assert found.left_out["span_x"] == pytest.approx(2 * 4950 * 400 / 19_900, abs=60)
        assert found.left_out["span_y"] == 0
        assert len(found.values["gap_span_x"]) == 2 * 4950 - found.left_out["span_x"]
        assert found.gap_span_x is not None
        assert math.isfinite(found.gap_span_x.std)


@pytest.mark.filterwarnings("ignore:items repeat", "ignore:too few rows")
def test_undefined_statistics_are_none() -> None:
    x, _ = unit_pairs(400)
    same = measure_geometry(x, x.clone())
    assert same.gap_length is not None
    assert same.gap_length.mean == 0
    assert same.gap_direction is same.gap_span_x is same.gap_span_y is same.noise_cosine is None
    assert same.noise_anisotropy is same.distance_left is None
    assert same.noise_std == 0
    values, left_out, _ = measure_groups(torch.stack([x, x - 0.5], dim=1).reshape(4, 100, 2, DIM))
    assert not len(values["noise_cosine"])  # float32 rounding is no noise
    assert left_out["noise"] == 3 * 100**2
    assert values["gap_direction"].mean().item() == pytest.approx(1.0)
    one = torch.eye(3)[[0]].repeat(200, 1)
    constant = measure_geometry(one, -one)
    assert constant.effective_dimension == {"x": 0, "y": 0, "noise": 0}
    assert constant.trace_ratio is None
    figures = same.to_dict()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["gap_length"] == {"mean": 0.0, "std": 0.0}
    assert figures["gap_direction"] is None
    assert not {"values", "spectrum"} & figures.keys()


def test_batches_arrays_and_stores_give_the_result_of_one_tensor(tmp_path: Path) -> None:
    x, y = unit_pairs(1000)
    whole = measure_geometry(x, y, seed=4)
    store = Store.from_embeddings(tmp_path / "store", x, space="s", modality="text", fingerprint="f")
    for one, other in [(x.split([1, 0, 499, 500]), iter(y.split(333))), (x.numpy(), y.numpy()), (store, y)]:
        again = measure_geometry(one, other, seed=4)
        assert again.noise_std == pytest.approx(whole.noise_std, rel=1e-12)
        assert again.gap_span_x == whole.gap_span_x  # the very same groups
        assert again.distribution_gap["after"] == pytest.approx(whole.distribution_gap["after"], rel=1e-6)
    other_groups = measure_geometry(x, y, seed=5)
    assert other_groups.gap_span_x != whole.gap_span_x
    assert other_groups.noise_std == pytest.approx(whole.noise_std, rel=0.01)


def test_many_pairs_are_sampled_and_agree_with_all_of_them() -> None:
    x, y = unit_pairs(6000)
    every, some = measure_geometry(x, y), measure_geometry(x, y, max_pairs=1000)
    assert (every.groups, some.groups, some.n) == (60, 10, 6000)
    assert some.noise_std == pytest.approx(every.noise_std, rel=0.01)
    assert some.effective_dimension == every.effective_dimension
    assert some.distribution_gap == every.distribution_gap


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10))
def test_turning_and_scaling_the_space_changes_no_angle(seed: int, scale: float) -> None:
    x, y = (rows.double() for rows in unit_pairs(300, seed=seed))
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator, dtype=torch.float64)).Q * scale
    grouped = torch.stack([x, y], dim=1).reshape(3, 100, 2, DIM)
    here, there = measure_groups(grouped)[0], measure_groups(grouped @ turn)[0]
    for name in ("gap_direction", "gap_span_x", "gap_span_y", "noise_cosine", "pair_cosine"):
        torch.testing.assert_close(here[name], there[name], rtol=0, atol=1e-9)
    torch.testing.assert_close(here["gap_length"] * scale, there["gap_length"])


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (torch.ones(300, 4), torch.ones(299, 4), {}, "y has fewer rows than x"),
        (torch.ones(300, 4), torch.ones(300, 5), {}, "x has 4 dimensions and y 5"),
        (torch.ones(150, 4), torch.ones(150, 4), {}, "150 pairs make no two groups of 100"),
        (torch.ones(0, 4), torch.ones(0, 4), {}, "x and y are empty"),
        ([], [], {}, "x and y are empty"),
        ([], torch.ones(3, 4), {}, "x has fewer rows than y"),
        (torch.ones(300, 4), torch.full((300, 4), math.nan), {}, "row 0 of y holds NaN"),
        (torch.ones(300), torch.ones(300), {}, "n, d"),
        ("x.npy", torch.ones(300, 4), {}, "got str"),
        (torch.ones(300, 4), torch.ones(300, 4), {"group_size": 1}, "from 2 to 2,000"),
        (torch.ones(300, 4), torch.ones(300, 4), {"max_pairs": 199}, "max_pairs must be at least 200"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_pairs_are_refused(x: object, y: object, options: dict[str, int], message: str) -> None:
    with pytest.raises(C3Error, match=message):
        measure_geometry(x, y, **options)


def test_unit_embeddings_of_a_narrow_cone_have_a_long_gap() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.zeros(2, 32)
    centres[0, 0] = centres[1, 1] = 1.0
    shared = 0.05 * torch.randn(500, 32, generator=generator)
    x, y = (normalize(centre + shared, dim=-1) for centre in centres)
    found = measure_geometry(x, y)
    assert found.gap_length is not None
    assert found.gap_length.mean == pytest.approx(2**0.5, abs=0.08)


def test_more_rows_than_a_chunk_in_several_batches_are_those_of_one_tensor() -> None:
    x, y = unit_pairs(20_000, span=8, dim=16)
    whole = measure_geometry(x, y, seed=3)
    pieces = measure_geometry(torch.split(x, 5000), torch.split(y, 7000), seed=3)
    assert pieces.to_dict() == whole.to_dict()


@pytest.mark.parametrize("sides", [("x",), ("y",), ("x", "y")], ids="-".join)
def test_stores_whose_rows_may_be_shifted_by_a_bad_input_are_refused(sides: tuple[str, ...], tmp_path: Path) -> None:
    x, y = unit_pairs(300)
    stores = [
        write(tmp_path / side, rows, piece=300, shard_rows=1000)
        if side in sides
        else Store.from_embeddings(tmp_path / side, rows, **KIND)
        for side, rows in (("x", x), ("y", y))
    ]
    with pytest.raises(C3Error, match="cannot be paired"):
        measure_geometry(*stores)


def test_the_noise_cosine_of_random_noise_has_a_mean_of_zero() -> None:
    """The ε of one group would have −1/9 for noise of one length, and another mean for noise of many lengths."""
    generator = torch.Generator().manual_seed(0)
    lengths = (2 * torch.rand(4000, 10, 1, generator=generator)).exp()
    noise = torch.randn(4000, 10, 6, generator=generator) * lengths
    values, _, _ = measure_groups(torch.stack([noise + 1, torch.zeros_like(noise)], dim=2))
    assert values["noise_cosine"].mean().item() == pytest.approx(0.0, abs=0.003)


def test_figures_of_the_covariances_against_numpy() -> None:
    x, y = unit_pairs(600, noise=0.5)
    y[:, 7] *= 3
    y = normalize(y, dim=-1)
    found = measure_geometry(x, y)
    a, b = x.double().numpy(), y.double().numpy()
    singular = np.linalg.svd(np.cov((a - b).T, bias=True), compute_uv=False)
    assert found.noise_anisotropy == pytest.approx(singular[0] / singular.mean())
    assert found.effective_dimension["noise"] == np.searchsorted(singular.cumsum() / singular.sum(), 0.99) + 1
    assert found.trace_ratio == pytest.approx(a.var(0).sum() / b.var(0).sum())
    left = np.linalg.norm((a - a.mean(0)) - (b - b.mean(0)), axis=1).mean()
    assert found.distance_left == pytest.approx(left / np.linalg.norm(a - b, axis=1).mean())


def test_one_pair_of_each_item_is_measured() -> None:
    x, y = unit_pairs(700)
    photos = [f"{number}.jpg" for number in range(700) for _ in range(3)]
    repeated = [side.repeat_interleave(3, dim=0) for side in (x, y)]
    with pytest.warns(UserWarning, match="of 2100 pairs, x has 700 different rows and y has 700 different rows"):
        every = measure_geometry(*repeated)
    assert every.n == 2100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure_geometry(*repeated, one_per=photos)
        expected = measure_geometry(x, y)
        halves = measure_geometry(repeated[0].split(512), repeated[1].split(999), one_per=np.array(photos))
    assert found.n == halves.n == 700
    assert found.distribution_gap == pytest.approx(expected.distribution_gap)
    assert found.effective_dimension == expected.effective_dimension
    assert halves.to_dict() == found.to_dict()


def test_another_seed_draws_other_pairs_of_the_items() -> None:
    x, y = unit_pairs(1400)
    items = torch.arange(1400) % 700
    first, second = (measure_geometry(x, y, one_per=items, seed=seed) for seed in (0, 1))
    assert first.n == second.n == 700
    assert first.distribution_gap != second.distribution_gap


def test_stores_of_one_table_take_the_items_of_its_rows(tmp_path: Path) -> None:
    x, y = unit_pairs(700)
    rows = [row for row in range(1, 701) if row != 3]  # as `c3 embed` numbers them
    at = torch.tensor(rows) - 1
    ids = [f"pairs.csv:{row}" for row in rows]
    stores = [Store.from_embeddings(tmp_path / name, side[at], **KIND, ids=ids) for name, side in (("x", x), ("y", y))]
    items = ["one photo", "one photo", *range(3, 701)]  # of 698 items, beside that of the row that the stores lack
    assert measure_geometry(*stores, one_per=items).n == 698
    with pytest.raises(C3Error, match="names 699 items, but the stores hold row 700"):
        measure_geometry(*stores, one_per=items[1:])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (range(699), "names 699 items, but there are more pairs"),
        (range(701), "names 701 items, but there are 700 pairs"),
        ("photo", "must be a list"),
        ([[number] for number in range(700)], "by paths, words or numbers: unhashable type: 'list'"),
    ],
)
def test_items_that_do_not_fit_the_pairs_are_refused(items: object, message: str) -> None:
    x, y = unit_pairs(700)
    with pytest.raises(WrongCall, match=message):
        measure_geometry(x, y, one_per=items)  # type: ignore[arg-type]


def test_a_spread_is_the_mean_and_the_standard_deviation_of_all_values() -> None:
    assert Spread.of(torch.tensor([1.0, 3.0])) == Spread(2.0, 1.0)  # divided by n, not n − 1
    assert Spread.of(torch.tensor([5.0])) == Spread(5.0, 0.0)
    assert Spread.of(torch.zeros(0)) is None


@pytest.mark.filterwarnings("ignore:items repeat", "ignore:too few rows")
def test_the_smallest_and_the_largest_groups() -> None:
    x, y = unit_pairs(4, span=3, dim=8)
    found = measure_geometry(x, y, group_size=2, max_pairs=4)
    assert (found.groups, found.group_size, found.n) == (2, 2, 4)
    many = unit_pairs(4000, span=3, dim=8)
    assert measure_geometry(*many, group_size=2000).groups == 2
    for size in (1, 2001):
        with pytest.raises(WrongCall, match=f"from 2 to 2,000 pairs, not {size}"):
            measure_geometry(*many, group_size=size)


@pytest.mark.parametrize(
    ("n", "says"),
    [
        (199, "199 pairs make no two groups of 100. Give more pairs, or a group size of 99 at most."),
        (4, "4 pairs make no two groups of 100. Give more pairs, or a group size of 2 at most."),
        (3, "3 pairs make no two groups of 100. Give more pairs."),
        (1, "1 pair make no two groups of 100. Give more pairs."),
    ],
)
def test_too_few_pairs_tell_which_groups_they_make(n: int, says: str) -> None:
    with pytest.raises(WrongCall) as refused:
        measure_geometry(*unit_pairs(n))
    assert str(refused.value) == says


def test_so_many_gaps_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = unit_pairs(60)
    grouped = torch.stack([x, y], dim=1).reshape(6, 10, 2, DIM)
    every = measure_groups(grouped)[0]["gap_direction"]
    monkeypatch.setattr("c3core.statistics.geometry.MAX_DIRECTIONS", 3)
    some = measure_groups(grouped)[0]
    assert len(every) == 15
    torch.testing.assert_close(some["gap_direction"], every[[0, 1, 5]])  # those of the first three groups
    assert len(some["gap_length"]) == 6
