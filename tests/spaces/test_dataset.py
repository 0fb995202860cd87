"""The training data of `c3 connect`: columns are read or embedded once, pairs are drawn, batches are spread evenly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from c3_playground.world import World
from c3core import C3Error, load_tower
from c3core.spaces.dataset import ColumnDataset, PairBatches, PairDataset, shuffled

SENTENCES = ["a ring", "a star", "a ring", "", "a box", "a disc"]


def column(modality: str, sources: list[object], folder: Path, *, frozen: bool) -> ColumnDataset:
    return ColumnDataset(load_tower(f"playground-{modality}", frozen=frozen), sources, folder, quiet=True)


def pairs_of(count: int, folder: Path, *, each: int = 1) -> PairDataset:
    """Pairs of `count` sentences and as many pictures, each on `each` rows."""
    sentences = [f"sentence {k}" for k in range(count * each)]
    pictures = [item.data for item in World().items("image", "train", count)]
    pictures = [picture for picture in pictures for _ in range(each)]  # the same object on each of its rows
    return PairDataset(
        column("text", sentences, folder / "text", frozen=False),
        column("image", pictures, folder / "image", frozen=False),
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_equal_sources_are_one_item_and_unreadable_ones_are_left_out(tmp_path: Path, frozen: bool) -> None:
    with pytest.warns(UserWarning, match="1 source"):
        found = column("text", SENTENCES, tmp_path, frozen=frozen)
    assert found.rows == [0, 1, 0, -1, 2, 3]
    if not frozen:
        assert found.items == ["a ring", "a star", "a box", "a disc"]


def test_the_features_of_a_frozen_tower_are_stored(tmp_path: Path) -> None:
    pictures = [item.data for item in World().items("image", "train", 5)]
    found = column("image", [pictures[0], *pictures], tmp_path, frozen=True)
    assert found.rows == [0, 0, 1, 2, 3, 4]
    tower = load_tower("playground-image")
    with torch.no_grad():
        expected = tower(tower.collate([tower.reader()(picture) for picture in pictures]))
    assert found.features is not None
    torch.testing.assert_close(found.features, expected, rtol=1e-4, atol=1e-5)
    assert list(tmp_path.glob("shard-*.parquet"))


def test_pairs_are_grouped_by_the_column_with_fewer_items(tmp_path: Path) -> None:
    pairs = pairs_of(3, tmp_path, each=2)
    assert pairs.name == "image-text"
    assert pairs.partners == [(0, [0, 1]), (1, [2, 3]), (2, [4, 5])]
    generator = torch.Generator().manual_seed(0)
    drawn = [pairs.draw([2, 0], generator) for _ in range(20)]
    assert all(x == [2, 0] for x, _ in drawn)
    assert {y for _, (y, _) in drawn} == {4, 5}
    assert {y for _, (_, y) in drawn} == {0, 1}


def test_a_pair_needs_both_of_its_items_and_a_table_two_pairs(tmp_path: Path) -> None:
    pictures = [item.data for item in World().items("image", "train", 4)]
    with pytest.warns(UserWarning, match="1 source"):
        text = column("text", ["", "a ring", "a star", "a box"], tmp_path / "text", frozen=False)
    with pytest.warns(UserWarning, match="1 source"):
        image = column("image", [*pictures[:3], "no.png"], tmp_path / "image", frozen=False)
    assert PairDataset(text, image).partners == [(0, [1]), (1, [2])]
    image.rows[1] = -1
    with pytest.raises(C3Error, match="fewer than two"):
        PairDataset(text, image)


def test_batches_of_several_tables_are_spread_over_the_epoch(tmp_path: Path) -> None:
    large, small = pairs_of(12, tmp_path / "large"), pairs_of(3, tmp_path / "small")
    batches = PairBatches([large, small], [1, 1], batch_size=4, seed=0)
    assert len(batches) == 3 + 1
    epoch = list(batches.epoch(0))
    assert [table is small for table, _ in epoch] == [False, False, True, False]
    assert sorted(group for table, groups in epoch if table is large for group in groups) == list(range(12))
    assert [len(groups) for _, groups in epoch] == [4, 4, 3, 4]
    assert list(batches.epoch(0)) == epoch
    assert list(batches.epoch(1)) != epoch
    assert list(PairBatches([large, small], [1, 1], batch_size=4, seed=1).epoch(0)) != epoch


@pytest.mark.parametrize(("count", "run"), [(12, 1), (12, 3), (13, 4), (2, 5)])
def test_neighbours_stay_together_and_every_row_comes_once(count: int, run: int) -> None:
    rows = shuffled(count, run, torch.Generator().manual_seed(3))
    assert sorted(rows) == list(range(count))
    starts = [row for row in rows if row % run == 0]
    assert rows == [row for start in starts for row in range(start, min(start + run, count))]
    if count // run > 2:
        assert rows != sorted(rows)
