"""Two sides that come in batches of their own are read row by row, all or one of each item."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from c3core.errors import C3Error, WrongCall
from c3core.statistics import paired_batches as under_test
from c3core.statistics.paired_batches import draw_one_per_item, paired_batches

sizes = st.lists(st.integers(0, 9), max_size=6)


@given(first=sizes, second=sizes, items=st.booleans(), seed=st.integers(0, 9), chunk=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_rows_stay_together_in_any_batching(
    first: list[int], second: list[int], items: bool, seed: int, chunk: int
) -> None:
    count = max(sum(first), sum(second))
    x = torch.arange(2.0 * count).view(count, 2)
    y = x + 1000
    one_per = [number % 5 for number in range(count)] if items else None
    batches = [torch.split(rows, [*some, count - sum(some)]) for rows, some in ((x, first), (y, second))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(under_test, "_CHUNK", chunk)
        found = list(paired_batches(*map(iter, batches), one_per=one_per, seed=seed))
    assert [len(one) for one, _, _ in found] == [chunk] * (count // chunk) + [count % chunk] * (count % chunk > 0)
    together = [torch.cat([part[k] for part in found]) if found else None for k in range(3)]
    if count:
        expected = torch.ones(count, dtype=torch.bool) if one_per is None else draw_one_per_item(one_per, seed)
        for rows, wanted in zip(together, (x, y, expected), strict=True):
            assert rows is not None
            assert torch.equal(rows, wanted)


@pytest.mark.parametrize("chunk", [2, 3, 100])
def test_a_side_that_ends_early_is_named(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_CHUNK", chunk)
    for n, m, says in (
        (6, 5, "y has fewer rows than x"),
        (5, 4, "y has fewer"),
        (4, 5, "x has fewer rows than y"),
        (0, 1, "x has fewer"),
    ):
        with pytest.raises(C3Error, match=says):
            list(paired_batches(torch.ones(n, 2), torch.ones(m, 2), one_per=None, seed=0))
    with pytest.raises(WrongCall, match="x has 2 dimensions and y 3"):
        list(paired_batches(torch.ones(6, 2), torch.ones(6, 3), one_per=None, seed=0))


@pytest.mark.parametrize(("count", "says"), [(5, "there are more pairs"), (7, "there are 6 pairs"), (0, "more pairs")])
def test_an_item_for_each_pair(count: int, says: str) -> None:
    with pytest.raises(WrongCall, match=f"names {count} items, but {says}|names {count} items, but there are {says}"):
        list(paired_batches(torch.ones(6, 2), torch.ones(6, 2), one_per=range(count), seed=0))
    with pytest.raises(WrongCall, match="^one_per must be a list"):
        list(paired_batches(torch.ones(6, 2), torch.ones(6, 2), one_per="items", seed=0))


def test_gradients_are_left_behind() -> None:
    rows = torch.ones(3, 2, requires_grad=True)
    ((one, other, _),) = paired_batches(rows, rows, one_per=None, seed=0)
    assert not one.requires_grad
    assert not other.requires_grad


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
