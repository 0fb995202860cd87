"""Writing a store: it continues after a kill, and refuses wrong rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from c3core.errors import C3Error
from c3core.store.shard import BadInput, StoreBatch
from c3core.store.store import Store, StoreWriter
from tests.helpers.small_stores import KIND, unit


def test_the_writer_continues_an_unfinished_store(tmp_path: Path) -> None:
    embeddings = unit(30)
    writer = StoreWriter(tmp_path, dim=8, shard_rows=10, **KIND)
    writer.append(StoreBatch([str(i) for i in range(10)], ["s"] * 10, embeddings[:10], torch.ones(10)), checksum="ten")
    writer.append(StoreBatch(["lost"], ["s"], embeddings[:1], torch.ones(1)))  # in memory only: a kill loses it
    with pytest.raises(C3Error, match="another process is writing"):
        StoreWriter(tmp_path, dim=8, shard_rows=10, **KIND)
    writer.close()
    again = StoreWriter(tmp_path, dim=8, shard_rows=10, **KIND)
    assert (again.resume_at, again.resume_checksum, again.rows, again.complete) == (10, "ten", 10, False)
    again.append(StoreBatch([str(i) for i in range(10, 30)], ["s"] * 20, embeddings[10:], torch.ones(20)), consumed=25)
    again.finish()
    store = Store.open(tmp_path)
    assert store.checksum.startswith("35-")
    assert [name for batch in store.batches() for name in batch.ids] == [str(i) for i in range(30)]
    done = StoreWriter(tmp_path, dim=8, **KIND)
    assert done.complete
    assert done.resume_at == 35
    with pytest.raises(C3Error, match="already holds a complete store"):
        done.append(StoreBatch([], [], torch.zeros(0, 8), torch.zeros(0)))


def test_wrong_rows_are_refused_by_id_and_not_written(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, dim=2, **KIND)
    good, ones = torch.tensor([[0.6, 0.8], [1.0, 0.0]]), torch.ones(2)
    nan = torch.tensor([[0.6, 0.8], [float("nan"), 0.0]])
    for embeddings, norms, message in (
        (nan, ones, "embedding of b holds NaN"),
        (good, torch.tensor([1.0, float("inf")]), "embedding of b holds NaN or infinite"),
        (good * 2, ones, "embedding of a is not of unit norm"),
        (good[:1], ones, "2 ids came with 2 sources, embeddings \\(1, 2\\)"),
        (torch.ones(2, 3), ones, "embeddings \\(2, 3\\)"),
    ):
        with pytest.raises(C3Error, match=message):
            writer.append(StoreBatch(["a", "b"], ["a", "b"], embeddings, norms))
    assert writer.rows == 0
    writer.append(StoreBatch(["a", "b"], ["a", "b"], good, ones))
    writer.finish()
    assert len(Store.open(tmp_path)) == 2


def test_a_shard_may_hold_only_bad_inputs(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, dim=2, shard_rows=10, **KIND)
    for i in range(5):
        bad = [BadInput(f"{i}-{k}", "x" * 1000, "y" * 1000) for k in range(10)]
        writer.append(StoreBatch([], [], torch.zeros(0, 2), torch.zeros(0)), bad=bad)
    writer.close()
    writer = StoreWriter(tmp_path, dim=2, **KIND)
    assert writer.resume_at == 50
    writer.append(StoreBatch(["a"], ["a"], torch.tensor([[1.0, 0.0]]), torch.ones(1)))
    writer.finish()
    store = Store.open(tmp_path)
    assert len(list(store.errors())) == 50
    assert max(len(error.why) for error in store.errors()) == 500  # a whole text as a source must not bloat it
    assert [len(batch.ids) for batch in store.shuffled(4, seed=0, epoch=0)] == [1]
    store.check()


def test_temporary_files_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    left = tmp_path / ".shard-000004.123.tmp.parquet"
    left.write_text("half")
    StoreWriter(tmp_path, dim=2, **KIND)
    assert not left.exists()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(C3Error, match=r"not empty \(photo.jpg\) and holds no store"):
        StoreWriter(tmp_path, dim=2, **KIND)
    with pytest.raises(C3Error, match="is a file"):
        StoreWriter(tmp_path / "photo.jpg", dim=2, **KIND)


def test_a_hundred_thousand_bad_inputs_can_be_read(tmp_path: Path) -> None:
    """Parquet refuses a footer of 100 MB: what is said of the bad inputs of a shard is kept far below."""
    writer = StoreWriter(tmp_path, dim=8, shard_rows=1_000_000, **KIND)
    for start in range(0, 100_000, 5_000):
        bad = [
            BadInput(f"{number} " + "x" * 600, "x" * 600, "because " + "y" * 600)
            for number in range(start, start + 5_000)
        ]
        writer.append(StoreBatch([str(start)], ["s"], unit(1), torch.ones(1)), bad=bad)
    writer.finish()
    store = Store.open(tmp_path)
    assert (len(store), store.bad) == (20, 100_000)
    assert [int(entry.id.split()[0]) for entry in store.errors()] == list(range(100_000))
    assert all(len(getattr(entry, name)) == 500 for entry in store.errors() for name in ("id", "source", "why"))


def test_the_same_encoder_in_another_folder_continues(tmp_path: Path) -> None:
    """The fingerprint says what an encoder is; the space's name may be a path."""
    writer = StoreWriter(tmp_path, dim=8, shard_rows=2, **KIND)
    writer.append(StoreBatch(["0", "1"], ["s", "s"], unit(2), torch.ones(2)))
    writer.close()
    again = StoreWriter(tmp_path, dim=8, shard_rows=2, **(KIND | {"space": "moved/s"}))
    assert again.resume_at == 2
    again.append(StoreBatch(["2"], ["s"], unit(1), torch.ones(1)))
    again.finish()
    assert len(Store.open(tmp_path)) == 3
