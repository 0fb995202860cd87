"""Pairing two stores of one table whose items could not all be read."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from c3core import C3Error
from c3core.statistics.geometry import measure_geometry
from c3core.store.shard import BadInput, EncoderInfo, StoreBatch
from c3core.store.store import Store, StoreWriter
from tests.helpers.small_stores import KIND, unit


def store(folder: Path, rows: list[int], *, table: str = "pairs.csv", dim: int = 8) -> Store:
    """Row n of the table is the same unit vector in every store."""
    every = torch.nn.functional.normalize(torch.randn(300, dim, generator=torch.Generator().manual_seed(0)), dim=-1)
    ids = [f"{table}:{row}" for row in rows]
    return Store.from_embeddings(folder, every[rows], space="s", modality="text", fingerprint="f", ids=ids)


@given(holes=st.tuples(st.sets(st.integers(0, 119), max_size=40), st.sets(st.integers(0, 119), max_size=40)))
@settings(max_examples=20, deadline=None)
def test_only_rows_of_both_are_paired(
    tmp_path_factory: pytest.TempPathFactory, holes: tuple[set[int], set[int]]
) -> None:
    kept = [[row for row in range(120) if row not in missing] for missing in holes]
    x, y = (store(tmp_path_factory.mktemp("store") / "s", rows) for rows in kept)
    alone = len(holes[0] ^ holes[1])
    with pytest.warns(UserWarning, match=rf"^{alone} row\(s\) of pairs.csv") if alone else nullcontext():
        pairs = x.paired_with(y)
    assert pairs is not None
    one, other = (torch.cat(list(stream)) for stream in (pairs.x, pairs.y))
    assert pairs.numbers.tolist() == sorted(set(kept[0]) & set(kept[1]))
    assert len(one) == len(pairs.numbers)
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_geometry_pairs_stores_of_one_table_by_its_rows(tmp_path: Path) -> None:
    x, y = store(tmp_path / "x", [*range(3), *range(4, 250)]), store(tmp_path / "y", [*range(40), *range(41, 250)])
    with pytest.warns(UserWarning, match="2 row"):
        found = measure_geometry(x, y)
    assert found.n == 248
    assert found.pair_cosine is not None
    assert found.pair_cosine.mean == pytest.approx(1, abs=1e-6)


def test_other_stores_are_paired_by_position(tmp_path: Path) -> None:
    x, y = store(tmp_path / "x", [*range(250)]), store(tmp_path / "y", [*range(250)], table="others.csv")
    assert x.paired_with(y) is None
    assert measure_geometry(x, y).n == 250
    with pytest.raises(C3Error, match=r"/x has 8 dimensions and \S+/z 4"):
        measure_geometry(x, store(tmp_path / "z", [*range(250)], dim=4))


def test_stores_with_holes_that_no_table_pairs_are_refused(tmp_path: Path) -> None:
    """With as many holes on both sides the stores have equal lengths, and the pairs between the holes are shifted."""
    stores = []
    for side, bad in (("x", 3), ("y", 95)):
        writer = StoreWriter(tmp_path / side, EncoderInfo(dim=8, **KIND))
        ids = [f"{side}{number}.jpg" for number in range(120) if number != bad]
        writer.append(
            StoreBatch(ids, ids, unit(119), torch.ones(119)),
            bad=[BadInput(f"{side}{bad}.jpg", "broken.jpg", "truncated")],
        )
        writer.finish()
        stores.append(Store.open(tmp_path / side))
    with pytest.raises(C3Error, match=r"1 input\(s\) of \S+/x and 1 of \S+/y gave no embedding.*one table"):
        measure_geometry(*stores)


def test_stores_of_two_spaces_are_warned_of(tmp_path: Path) -> None:
    of = {"modality": "text", "fingerprint": "f"}
    x, y = (Store.from_embeddings(tmp_path / space, unit(250), space=space, **of) for space in ("one", "other"))
    with pytest.warns(UserWarning, match=r"/one is of the space one, \S+/other of other: only embeddings of one can"):
        measure_geometry(x, y)


def test_rows_of_several_tables_are_not_paired(tmp_path: Path) -> None:
    x = store(tmp_path / "x", [5, 6, 5])
    with pytest.raises(C3Error, match="more than the rows of pairs.csv in order"):
        x.paired_with(x)


@pytest.mark.parametrize("table", ["karpathy:dataset.json?split=test", "a:1"])
def test_a_table_may_have_a_colon_in_its_name(table: str, tmp_path: Path) -> None:
    x, y = store(tmp_path / "x", [0, 1, 3], table=table), store(tmp_path / "y", [1, 2, 3], table=table)
    with pytest.warns(UserWarning, match=r"^2 row\(s\) of"):
        pairs = x.paired_with(y)
    assert pairs is not None
    assert pairs.numbers.tolist() == [1, 3]


@pytest.mark.parametrize("ids", [["a.png", "b.png"], ["t.csv:x", "t.csv:y"], ["7", "8"], []])
def test_ids_that_name_no_row_of_a_table_pair_nothing(ids: list[str], tmp_path: Path) -> None:
    stores = [Store.from_embeddings(tmp_path / name, unit(len(ids)), ids=ids, **KIND) for name in "xy"]
    assert stores[0].paired_with(stores[1]) is None


def test_rows_without_a_number_are_refused_among_those_of_a_table(tmp_path: Path) -> None:
    x = Store.from_embeddings(tmp_path / "x", unit(3), ids=["t.csv:1", "a.png", "t.csv:3"], **KIND)
    y = Store.from_embeddings(tmp_path / "y", unit(3), ids=["t.csv:1", "u.csv:2", "t.csv:3"], **KIND)
    for one in (x, y):
        with pytest.raises(C3Error, match="more than the rows of t.csv in order"):
            one.paired_with(one)
