"""Pairs of one item are drawn once each."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from c3core.statistics.repeated_items import draw_one_per_item


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
