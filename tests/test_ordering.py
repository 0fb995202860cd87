"""Sorting names of which not all fit: the same as sorting them all."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3core import C3Error
from c3core.ordering import in_order

NAMES = st.text(st.characters(blacklist_characters="\0"), max_size=8)  # with lone surrogates, as names that are no UTF-8 have them


@given(st.lists(NAMES, max_size=60), st.integers(1, 20))
def test_it_is_sorted(names: list[str], held: int) -> None:
    assert list(in_order(iter(names), held=held)) == sorted(names)


def test_no_more_are_held_than_said() -> None:
    def names() -> Iterator[str]:
        return (f"{number * 37 % 100_000:06}-{'x' * 40}" for number in range(100_000))

    def peak(order: Callable[[Iterator[str]], Iterable[str]]) -> int:
        tracemalloc.start()
        assert next(iter(order(names()))).startswith("000000")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(partial(in_order, held=5000)) < peak(sorted) / 4


def test_no_room_for_the_rest_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert list(in_order(["b", "a"], held=2)) == ["a", "b"]  # these need none
    with pytest.raises(C3Error, match="cannot sort more than 2 names in .*missing.*TMPDIR"):
        list(in_order(["c", "b", "a"], held=2))
