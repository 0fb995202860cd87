"""Writing a store: it continues after a kill, and refuses wrong rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from c3core.errors import C3Error, WrongCall
from c3core.store.shard import BadInput, EncoderInfo, StoreBatch
from c3core.store.store import Store, StoreWriter
from tests.helpers.small_stores import KIND, unit


def test_the_writer_continues_an_unfinished_store(tmp_path: Path) -> None:
    embeddings = unit(30)
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=10)
    writer.append(StoreBatch([str(i) for i in range(10)], ["s"] * 10, embeddings[:10], torch.ones(10)), checksum="ten")
    writer.append(StoreBatch(["lost"], ["s"], embeddings[:1], torch.ones(1)))  # in memory only: a kill loses it
    with pytest.raises(C3Error, match="another process is writing"):
        StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=10)
    writer.close()
    again = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=10)
    assert (again.resume_at, again.resume_checksum, again.rows, again.complete) == (10, "ten", 10, False)
    again.append(StoreBatch([str(i) for i in range(10, 30)], ["s"] * 20, embeddings[10:], torch.ones(20)), consumed=25)
    again.finish()
    store = Store.open(tmp_path)
    assert store.checksum.startswith("35-")
    assert [name for batch in store.batches() for name in batch.ids] == [str(i) for i in range(30)]
    done = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND))
    assert done.complete
    assert done.resume_at == 35
    with pytest.raises(C3Error, match="already holds a complete store"):
        done.append(StoreBatch([], [], torch.zeros(0, 8), torch.zeros(0)))


def test_wrong_rows_are_refused_by_id_and_not_written(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, EncoderInfo(dim=2, **KIND))
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
    writer = StoreWriter(tmp_path, EncoderInfo(dim=2, **KIND), shard_rows=10)
    for i in range(5):
        bad = [BadInput(f"{i}-{k}", "x" * 1000, "y" * 1000) for k in range(10)]
        writer.append(StoreBatch([], [], torch.zeros(0, 2), torch.zeros(0)), bad=bad)
    writer.close()
    writer = StoreWriter(tmp_path, EncoderInfo(dim=2, **KIND))
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
    StoreWriter(tmp_path, EncoderInfo(dim=2, **KIND))
    assert not left.exists()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(C3Error, match=r"not empty \(photo.jpg\) and holds no store"):
        StoreWriter(tmp_path, EncoderInfo(dim=2, **KIND))
    with pytest.raises(C3Error, match="is a file"):
        StoreWriter(tmp_path / "photo.jpg", EncoderInfo(dim=2, **KIND))


def test_a_hundred_thousand_bad_inputs_can_be_read(tmp_path: Path) -> None:
    """Parquet refuses a footer of 100 MB: what is said of the bad inputs of a shard is kept far below."""
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=1_000_000)
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
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=2)
    writer.append(StoreBatch(["0", "1"], ["s", "s"], unit(2), torch.ones(2)))
    writer.close()
    again = StoreWriter(tmp_path, EncoderInfo(dim=8, **(KIND | {"space": "moved/s"})), shard_rows=2)
    assert again.resume_at == 2
    again.append(StoreBatch(["2"], ["s"], unit(1), torch.ones(1)))
    again.finish()
    assert len(Store.open(tmp_path)) == 3


def batch(first: int, count: int) -> StoreBatch:
    names = [f"{first + k}" for k in range(count)]
    return StoreBatch(names, [f"from {name}" for name in names], unit(count), torch.ones(count))


def test_a_shard_is_written_as_soon_as_it_is_full(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=10)
    written = []
    for first, count, consumed in ((0, 4, 4), (4, 4, 5), (8, 1, 1), (9, 25, 25), (34, 1, 9), (35, 1, 1)):
        writer.append(batch(first, count), consumed=consumed)
        written.append(len(list(tmp_path.glob("*.parquet"))))
        assert writer.rows == first + count
    assert written == [0, 0, 1, 2, 2, 3]
    writer.flush()
    assert len(list(tmp_path.glob("*.parquet"))) == 3  # nothing was left
    writer.finish()
    assert (writer.rows, writer.bad, Store.open(tmp_path).checksum) == (36, 0, "45-")


def test_many_bad_inputs_end_a_shard_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c3core.store.writer.BAD_TEXT", 20)
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=1000)
    writer.append(batch(0, 1), bad=[BadInput("1234", "1234", "12")])
    writer.append(batch(1, 1), bad=[BadInput("1234", "1234", "12")])
    assert (writer.rows, writer.bad, len(list(tmp_path.glob("*.parquet")))) == (2, 2, 0)
    writer.append(batch(2, 1), bad=[BadInput("", "1", "")])
    assert (writer.rows, writer.bad, len(list(tmp_path.glob("*.parquet")))) == (3, 3, 1)
    writer.close()
    again = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=1000)
    assert (again.rows, again.bad, again.resume_at) == (3, 3, 6)
    again.append(batch(6, 1))
    assert len(list(tmp_path.glob("*.parquet"))) == 1  # the full one stays as it is
    again.finish()
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert [entry.source for entry in Store.open(tmp_path).errors()] == ["1234", "1234", "1"]


def test_a_short_last_shard_is_filled_up(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=10)
    writer.append(batch(0, 10), bad=[BadInput("x", "x", "x")], checksum="first")
    writer.append(batch(11, 3), bad=[BadInput("y", "y", "y")], checksum="second")
    writer.flush()
    writer.close()
    again = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=10)
    assert (again.rows, again.bad, again.resume_at, again.resume_checksum) == (13, 2, 15, "second")
    again.append(batch(15, 6), checksum="third")
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    again.finish()
    store = Store.open(tmp_path)
    assert [len(piece.ids) for piece in store.batches()] == [10, 9]
    assert [entry.id for entry in store.errors()] == ["x", "y"]
    assert (store.checksum, store.bad) == ("21-third", 2)
    store.check()


def test_the_errors_are_lines_that_a_person_can_read(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND))
    bad = [BadInput("t.csv:1", "größe\u2028 日本.png", "broken"), BadInput("t.csv:2", "\udcff.png", "broken")]
    writer.append(batch(0, 1), bad=bad)
    writer.finish()
    assert (tmp_path / "errors.jsonl").read_text(encoding="utf-8").split("\n") == [
        '{"id": "t.csv:1", "source": "größe\u2028 日本.png", "why": "broken"}',
        '{"id": "t.csv:2", "source": "\\\\udcff.png", "why": "broken"}',
        "",
    ]
    Store.open(tmp_path).check()


def test_a_store_that_is_discarded_leaves_only_its_errors(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND), shard_rows=2)
    for first in range(0, 6, 2):
        writer.append(batch(first, 2), bad=[BadInput(f"{first}", "s", "why")])
    writer.append(batch(6, 1))
    writer.discard()
    assert (writer.rows, writer.bad) == (0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["errors.jsonl"]
    assert len((tmp_path / "errors.jsonl").read_text().splitlines()) == 3
    again = StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND))  # the folder can be used again, with the errors in it
    assert (again.resume_at, again.resume_checksum, again.rows) == (0, "", 0)
    again.finish()
    assert len(Store.open(tmp_path)) == 0


def test_what_a_killed_run_left_is_removed_and_hidden_files_do_not_harm(tmp_path: Path) -> None:
    left = [".shard-000004.1.tmp.parquet", ".store.1.tmp.json", ".errors.1.tmp.jsonl"]
    for name in (*left, ".DS_Store"):
        (tmp_path / name).touch()
    StoreWriter(tmp_path, EncoderInfo(dim=2, **KIND)).close()
    assert {".DS_Store", "store.json"} <= {path.name for path in tmp_path.iterdir()}
    assert not {path.name for path in tmp_path.iterdir()} & {*left}


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"dim": 2, "shard_rows": 0}])
def test_a_store_has_a_dimension_and_rows_in_a_shard(wrong: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="at least 1"):
        StoreWriter(tmp_path, EncoderInfo(dim=wrong.pop("dim", 8), **KIND), **wrong)
    StoreWriter(tmp_path, EncoderInfo(dim=1, **KIND), shard_rows=1)


def test_an_encoder_of_another_kind_does_not_continue(tmp_path: Path) -> None:
    StoreWriter(tmp_path, EncoderInfo(dim=8, precision="bfloat16", **KIND)).close()
    for change, says in (
        ({"dim": 4, "precision": "bfloat16"}, r"\(dim 8\)"),
        ({"dim": 8}, r"\(precision bfloat16\)"),
        ({"dim": 8, "modality": "image", "fingerprint": "g"}, r"modality text, fingerprint f, precision bfloat16"),
    ):
        with pytest.raises(WrongCall, match=says):
            StoreWriter(tmp_path, EncoderInfo(**{**KIND, **change}))


def test_what_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(C3Error, match=r"cannot write .*: Not a directory"):
        StoreWriter(tmp_path / "file" / "store", EncoderInfo(dim=2, **KIND))
    writer = StoreWriter(tmp_path / "new" / "store", EncoderInfo(dim=2, **KIND))
    with pytest.raises(C3Error, match="1 ids came with 2 sources"):
        writer.append(StoreBatch(["a"], ["a", "b"], torch.eye(2)[:1], torch.ones(1)))
    with pytest.raises(C3Error, match=r"norms \(2,\)"):
        writer.append(StoreBatch(["a"], ["a"], torch.eye(2)[:1], torch.ones(2)))
    with pytest.raises(C3Error, match="embedding of b is zero"):
        writer.append(StoreBatch(["a", "b"], ["a", "b"], torch.eye(2) * torch.tensor([[1.0], [0.0]]), torch.ones(2)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_rows_of_any_float_type_are_stored_as_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    rows = torch.eye(3, dtype=dtype, requires_grad=True)
    writer = StoreWriter(tmp_path, EncoderInfo(dim=3, **KIND))
    writer.append(StoreBatch(["a", "b", "c"], ["s"] * 3, rows, torch.ones(3, dtype=dtype, requires_grad=True)))
    writer.finish()
    (found,) = Store.open(tmp_path).batches()
    assert (found.embeddings.dtype, found.norms.dtype) == (torch.float32, torch.float32)
    assert torch.equal(found.embeddings, torch.eye(3))
