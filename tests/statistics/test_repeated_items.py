"""Pairs of one item: found by equal rows against scipy's connected components, and drawn once each."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from c3core.statistics.repeated_items import draw_one_per_item, items_of, row_numbers

pairs_of_numbers = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, n - 1), min_size=n, max_size=n)] * 2)
)


@given(pairs_of_numbers)
def test_items_are_the_connected_components_of_equal_rows(numbers: tuple[list[int], list[int]]) -> None:
    x, y = map(np.array, numbers)
    n = len(x)
    graph = coo_array((np.ones(n), (x, n + y)), shape=(2 * n, 2 * n))  # an edge joins the x and the y of a pair
    expected = connected_components(graph, directed=False)[1][x]
    items = items_of(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    np.testing.assert_array_equal(items[:, None] == items, expected[:, None] == expected)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_equal_rows_have_one_number(values: list[int]) -> None:
    rows = torch.tensor(values, dtype=torch.float32)[:, None] * torch.tensor([1.0, -2.0])
    expected = torch.unique(rows, dim=0, return_inverse=True)[1]
    numbers = row_numbers(rows)
    assert torch.equal(numbers[:, None] == numbers, expected[:, None] == expected)
    assert int(numbers.max()) + 1 == len(set(values))


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.integers(0, 5))
def test_one_entry_of_each_item_is_drawn(items: list[str], seed: int) -> None:
    drawn = draw_one_per_item(items, seed)
    assert len(drawn) == len(items)
    assert sorted(item for item, taken in zip(items, drawn, strict=True) if taken) == sorted(set(items))


def test_every_entry_of_an_item_is_drawn_as_often() -> None:
    counts = sum(draw_one_per_item(["a"] * 5 + ["b"], seed).long() for seed in range(1000))
    assert isinstance(counts, torch.Tensor)
    assert counts[5] == 1000
    assert all(150 <= count <= 250 for count in counts[:5].tolist())
