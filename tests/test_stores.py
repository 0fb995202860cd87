"""Stores: what is written is what is read, in any order and by any tool; what is broken is named."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from c3core import shards
from c3core.errors import C3Error
from c3core.moments import Moments
from c3core.shards import Bad
from c3core.stores import Store, StoreWriter, join, load_embeddings

KIND: dict[str, Any] = {"space": "s", "modality": "text", "fingerprint": "f"}


def unit(rows: int, dim: int = 8, seed: int = 0) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def write(folder: Path, embeddings: Tensor, *, piece: int = 10, shard_rows: int = 25, start: int = 0) -> Store:
    """A store of several shards, with a bad input after each piece."""
    writer = StoreWriter(folder, dim=embeddings.shape[1], shard_rows=shard_rows, **KIND)
    for at in range(0, len(embeddings), piece):
        rows = embeddings[at : at + piece]
        ids = [f"id {start + at + k}" for k in range(len(rows))]
        bad = [Bad(f"bad {at}", "ä\u2028 line", "why not")]
        writer.append(ids, [f"from {name}" for name in ids], rows, torch.arange(at, at + len(rows)) + 1.0, bad=bad)
    writer.finish()
    return Store.open(folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write(tmp_path / "store", unit(95))


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 7)


def test_rows_come_back_in_order(store: Store) -> None:
    assert (len(store), store.dim, store.space, store.modality, store.fingerprint) == (95, 8, "s", "text", "f")
    for size in (1, 7, 4096):
        batches = list(store.batches(size))
        assert max(len(batch.ids) for batch in batches) <= size
        assert [name for batch in batches for name in batch.ids] == [f"id {i}" for i in range(95)]
        assert torch.equal(torch.cat([batch.embeddings for batch in batches]), unit(95))
        assert torch.equal(torch.cat([batch.norms for batch in batches]), torch.arange(95) + 1.0)
    assert list(store.sources()) == [f"from id {i}" for i in range(95)]
    assert torch.equal(store.embeddings(), unit(95))
    assert [error["id"] for error in store.errors()] == [f"bad {at}" for at in range(0, 95, 10)]
    assert len(list(store.folder.glob("shard-*.parquet"))) == 4  # pieces of 11 inputs: 33 a shard
    store.check()


def test_only_the_columns_asked_for_are_read(store: Store) -> None:
    batch = next(store.batches(columns=("source", "norm")))
    assert batch.sources
    assert len(batch.norms)
    assert batch.ids == []
    assert batch.embeddings.shape == (0, 8)
    with pytest.raises(C3Error, match="did you mean embedding"):
        next(store.batches(columns=("embeddings",)))


def test_batches_share_the_memory_of_arrow(store: Store) -> None:
    path, footer = store.folder / "shard-000000.parquet", pq.read_metadata(store.folder / "shard-000000.parquet")
    rows = next(shards.read_batches(path, footer, ("embedding",), 100))
    assert shards.to_batch(rows, 8).embeddings.data_ptr() == rows.column(0).flatten().buffers()[1].address


def test_other_tools_read_the_shards(store: Store) -> None:
    """Plain Parquet: `id` and `source` strings, vectors of a fixed size, no nulls."""
    table = pq.read_table(sorted(store.folder.glob("*.parquet")))
    assert table.schema.names == ["id", "source", "embedding", "norm"]
    assert pa.types.is_fixed_size_list(table.schema.field("embedding").type)
    assert table.schema.field("embedding").type.list_size == 8
    assert table.column("norm").type == pa.float32()
    np.testing.assert_array_equal(np.array(table.column("embedding").to_pylist(), np.float32), unit(95).numpy())


def test_pandas_reads_the_shards(store: Store) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(sorted(store.folder.glob("*.parquet")))
    np.testing.assert_array_equal(np.stack(frame["embedding"]), unit(95).numpy())


# ---- shuffled


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 40),
    buffer=st.integers(1, 120),
    seed=st.integers(-5, 2**40),
    epoch=st.integers(0, 1000),
)
def test_shuffling_gives_every_row_once_in_full_batches(
    size: int, buffer: int, seed: int, epoch: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "shuffled"
    if not folder.exists():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shards, "GROUP_ROWS", 7)
            write(folder, unit(95))
    store, embeddings = Store.open(folder), unit(95)
    batches = list(store.shuffled(size, seed=seed, epoch=epoch, buffer=buffer))
    assert [len(batch.ids) for batch in batches] == [size] * (95 // size) + [95 % size] * (95 % size > 0)
    names = [name for batch in batches for name in batch.ids]
    assert Counter(names) == Counter(f"id {i}" for i in range(95))
    places = [int(name.split()[1]) for name in names]
    assert torch.equal(torch.cat([batch.embeddings for batch in batches]), embeddings[places])
    assert torch.equal(torch.cat([batch.norms for batch in batches]), torch.tensor(places) + 1.0)
    assert [source for batch in batches for source in batch.sources] == [f"from {name}" for name in names]
    again = [name for batch in store.shuffled(size, seed=seed, epoch=epoch, buffer=buffer) for name in batch.ids]
    assert again == names
    other = [name for batch in store.shuffled(size, seed=seed, epoch=epoch + 1, buffer=buffer) for name in batch.ids]
    assert other != names


def test_shuffling_mixes_shards_and_reads_only_what_is_asked(store: Store, small_groups: None, tmp_path: Path) -> None:
    mixed = write(tmp_path / "mixed", unit(900), shard_rows=100, piece=50)
    batch = next(mixed.shuffled(64, seed=1, epoch=0, buffer=200, columns=("id",)))
    places = [int(name.split()[1]) for name in batch.ids]
    assert len({place // 100 for place in places}) >= 4  # of nine shards
    assert sum(abs(a - b) == 1 for a, b in pairwise(places)) < 10  # neighbours are torn apart
    assert batch.sources == []
    assert batch.embeddings.shape == (0, 8)


def test_shuffling_never_holds_all_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 500)
    store = write(tmp_path / "large", unit(20_000, dim=64), piece=1000, shard_rows=4000)
    pool = pa.default_memory_pool()
    highest = 0
    for batch in store.shuffled(100, seed=0, epoch=0, buffer=1000):
        highest = max(highest, pool.bytes_allocated())
        del batch
    assert highest < 0.4 * 20_000 * 64 * 4  # a buffer, its copy and the groups being read, of a store of 5 MB


# ---- moments, from_embeddings, join


def test_moments_are_those_of_all_rows(store: Store) -> None:
    moments = store.moments(("mean", "variance"))
    expected = unit(95).double()
    torch.testing.assert_close(moments.mean, expected.mean(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(moments.variance, Moments.of(unit(95)).variance, rtol=0, atol=1e-12)
    assert moments.mean_norm == pytest.approx(np.arange(1, 96).mean())
    assert moments.fingerprint == "f"


def test_a_bridge_asks_a_store_for_as_large_a_sample_as_it_wants(store: Store) -> None:
    assert len(Moments.of(store, {"sample"}, sample_size=7).sample) == 7
    assert len(Moments.of(store, {"sample"}, sample_size=60_000).sample) == 95


def test_from_embeddings_normalises_and_keeps_norms(tmp_path: Path) -> None:
    raw = torch.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, -2.0]])
    store = Store.from_embeddings(tmp_path / "store", raw, **KIND)
    batch = next(store.batches())
    torch.testing.assert_close(batch.embeddings, torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, -1.0]]))
    torch.testing.assert_close(batch.norms, torch.tensor([5.0, 1.0, 2.0]))
    assert batch.ids == batch.sources == ["0", "1", "2"]
    given = Store.from_embeddings(tmp_path / "given", raw[1:2], ids=["a"], sources=["b"], norms=torch.tensor([7.0]), **KIND)
    batch = next(given.batches())
    assert (batch.ids, batch.sources, batch.norms.tolist()) == (["a"], ["b"], [7.0])
    assert len(Store.from_embeddings(tmp_path / "none", torch.zeros(0, 4), **KIND).embeddings()) == 0
    with pytest.raises(C3Error, match="already"):
        Store.from_embeddings(tmp_path / "given", raw, **KIND)
    with pytest.raises(C3Error, match="2 ids came with 2 sources, embeddings \\(3, 2\\)"):
        Store.from_embeddings(tmp_path / "short", raw, ids=["a", "b"], **KIND)


def test_join_keeps_rows_and_errors_in_order(tmp_path: Path) -> None:
    parts = [write(tmp_path / "a", unit(40)), write(tmp_path / "b", unit(30, seed=1), start=40)]
    joined = join(parts, tmp_path / "both")
    assert torch.equal(joined.embeddings(), torch.cat([unit(40), unit(30, seed=1)]))
    assert [name for batch in joined.batches() for name in batch.ids] == [f"id {i}" for i in range(70)]
    assert list(joined.errors()) == [*parts[0].errors(), *parts[1].errors()]
    joined.check()
    with pytest.raises(C3Error, match="complete store already"):
        join(parts, tmp_path / "both")
    other = Store.from_embeddings(tmp_path / "other", unit(5), space="s", modality="text", fingerprint="g")
    with pytest.raises(C3Error, match="different encoders"):
        join([parts[0], other], tmp_path / "never")


def test_join_goes_on_after_a_kill_but_not_with_other_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [write(tmp_path / "a", unit(40)), write(tmp_path / "b", unit(30, seed=1), start=40)]
    flush, count = StoreWriter.flush, 0

    def dying(writer: StoreWriter) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        flush(writer)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "append", _flushing(StoreWriter.append))
        patch.setattr(StoreWriter, "flush", dying)
        with pytest.raises(KeyboardInterrupt):
            join(parts, tmp_path / "both")
    assert len(list((tmp_path / "both").glob("shard-*"))) == 2
    with pytest.raises(C3Error, match="unfinished store of other rows"):
        join(parts[1:], tmp_path / "both")
    joined = join(parts, tmp_path / "both")
    assert torch.equal(joined.embeddings(), torch.cat([unit(40), unit(30, seed=1)]))
    joined.check()


def _flushing(append: Any) -> Any:
    """Shards as small as the pieces, so that a few rows make several."""

    def each(writer: StoreWriter, *args: Any, **kwargs: Any) -> None:
        append(writer, *args, **kwargs)
        writer.flush()

    return each


# ---- the writer


def test_the_writer_goes_on_where_it_was_left(tmp_path: Path) -> None:
    embeddings = unit(30)
    writer = StoreWriter(tmp_path, dim=8, shard_rows=10, **KIND)
    writer.append([str(i) for i in range(10)], ["s"] * 10, embeddings[:10], torch.ones(10), mark="ten")
    writer.append(["lost"], ["s"], embeddings[:1], torch.ones(1))  # in memory only: a kill loses it
    again = StoreWriter(tmp_path, dim=8, shard_rows=10, **KIND)
    assert (again.resume_at, again.resume_mark, again.rows, again.complete) == (10, "ten", 10, False)
    again.append([str(i) for i in range(10, 30)], ["s"] * 20, embeddings[10:], torch.ones(20), consumed=25)
    again.finish()
    assert Store.open(tmp_path)._manifest.consumed == 35
    store = Store.open(tmp_path)
    assert [name for batch in store.batches() for name in batch.ids] == [str(i) for i in range(30)]
    done = StoreWriter(tmp_path, dim=8, **KIND)
    assert done.complete
    assert done.resume_at == 35
    with pytest.raises(C3Error, match="already holds a complete store"):
        done.append([], [], torch.zeros(0, 8), torch.zeros(0))


def test_wrong_rows_are_refused_by_name_and_leave_no_trace(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, dim=2, **KIND)
    good, ones = torch.tensor([[0.6, 0.8], [1.0, 0.0]]), torch.ones(2)
    nan = torch.tensor([[0.6, 0.8], [float("nan"), 0.0]])
    for embeddings, norms, message in (
        (nan, ones, "embedding of b holds NaN"),
        (good, torch.tensor([1.0, float("inf")]), "embedding of b holds NaN or infinite"),
        (good * 2, ones, "embedding of a has norm 2, not 1"),
        (good[:1], ones, "2 ids came with 2 sources, embeddings \\(1, 2\\)"),
        (torch.ones(2, 3), ones, "embeddings \\(2, 3\\)"),
    ):
        with pytest.raises(C3Error, match=message):
            writer.append(["a", "b"], ["a", "b"], embeddings, norms)
    assert writer.rows == 0
    writer.append(["a", "b"], ["a", "b"], good, ones)
    writer.finish()
    assert len(Store.open(tmp_path)) == 2


def test_a_long_stretch_of_bad_inputs_is_written_too(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, dim=2, shard_rows=10, **KIND)
    for i in range(5):
        bad = [Bad(f"{i}-{k}", "x" * 1000, "y" * 1000) for k in range(10)]
        writer.append([], [], torch.zeros(0, 2), torch.zeros(0), bad=bad)
    assert StoreWriter(tmp_path, dim=2, **KIND).resume_at == 50
    writer.append(["a"], ["a"], torch.tensor([[1.0, 0.0]]), torch.ones(1))
    writer.finish()
    store = Store.open(tmp_path)
    assert len(list(store.errors())) == 50
    assert max(len(error["why"]) for error in store.errors()) == 500  # a whole text as a source must not bloat it
    assert [len(batch.ids) for batch in store.shuffled(4, seed=0, epoch=0)] == [1]
    store.check()


def test_what_a_killed_run_left_behind_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".shard-000004.123.tmp.parquet"
    left.write_text("half")
    StoreWriter(tmp_path, dim=2, **KIND)
    assert not left.exists()


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(C3Error, match=r"not empty \(photo.jpg\) and holds no store"):
        StoreWriter(tmp_path, dim=2, **KIND)
    with pytest.raises(C3Error, match="is a file"):
        StoreWriter(tmp_path / "photo.jpg", dim=2, **KIND)


# ---- what is broken is named


def _truncate(folder: Path) -> None:
    path = folder / "shard-000001.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def _foreign(folder: Path) -> None:
    pq.write_table(pa.table({"id": ["1"]}), folder / "shard-000001.parquet")


def _of_another(folder: Path) -> None:
    other = Store.from_embeddings(folder.parent / "other", unit(33), space="s", modality="text", fingerprint="g")
    shutil.copy(other.folder / "shard-000000.parquet", folder / "shard-000001.parquet")


def _extra(folder: Path) -> None:
    shutil.copy(folder / "shard-000000.parquet", folder / "shard-000009.parquet")


def _manifest(**changes: Any) -> Any:
    def change(folder: Path) -> None:
        path = folder / "store.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_truncate, "shard-000001.parquet cannot be read: cut short or overwritten"),
        (lambda folder: (folder / "shard-000001.parquet").write_bytes(b""), "shard-000001.parquet cannot be read"),
        (lambda folder: (folder / "shard-000001.parquet").unlink(), "shard-000001.parquet is missing"),
        (_foreign, "shard-000001.parquet is not a shard of a store"),
        (_of_another, "shard-000001.parquet is a shard of another store"),
        (_extra, "shard-000009.parquet does not belong"),
        (lambda folder: (folder / "store.json").unlink(), "not a store"),
        (lambda folder: (folder / "store.json").write_text("{"), "store.json cannot be read as JSON"),
        (lambda folder: (folder / "store.json").write_text("[]"), "store.json: space"),
        (_manifest(shards=[30, 30, 30, 6]), "shard-000003.parquet has 5 rows, not 6"),
        (_manifest(format=2), "store.json: format"),
        (_manifest(complete=False), "unfinished store"),
    ],
)
def test_opening_a_broken_store_names_the_file(harm: Any, message: str, store: Store) -> None:
    harm(store.folder)
    with pytest.raises(C3Error, match=message) as caught:
        Store.open(store.folder)
    assert "\n" not in str(caught.value)


def _flip(folder: Path) -> None:
    path = folder / "shard-000001.parquet"
    data = bytearray(path.read_bytes())
    data[data.index(unit(95)[45].numpy().tobytes())] ^= 1
    path.write_bytes(bytes(data))


def _swap(folder: Path) -> None:
    a, b, c = folder / "shard-000001.parquet", folder / "shard-000002.parquet", folder / "swap"
    a.rename(c)
    b.rename(a)
    c.rename(b)


def _unnormalised(folder: Path) -> None:
    path = folder / "shard-000001.parquet"
    span = shards.read_span(path, pq.read_metadata(path), shards.Encoding("s", "text", 8, "f"))
    rows = shards.StoreBatch(["x"] * 30, ["x"] * 30, unit(30) * 2, torch.ones(30))
    shards.write_shard(path, shards.Encoding("s", "text", 8, "f"), span, rows)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_flip, "shard-000001.parquet cannot be read"),
        (_swap, "shard-000001.parquet does not follow"),
        (_unnormalised, "shard-000001.parquet: the embedding of x is not of unit norm"),
        (lambda folder: (folder / "errors.jsonl").write_text(""), "errors.jsonl does not agree"),
        (lambda folder: (folder / "errors.jsonl").write_text("{"), "errors.jsonl cannot be read"),
        (_manifest(bad=3), "store.json does not agree"),
    ],
)
def test_check_finds_what_opening_does_not_see(harm: Any, message: str, store: Store) -> None:
    harm(store.folder)
    with pytest.raises(C3Error, match=message):
        Store.open(store.folder).check()


def test_an_unfinished_store_with_a_gap_is_not_continued(tmp_path: Path) -> None:
    write(tmp_path, unit(95))
    _manifest(complete=False)(tmp_path)
    assert StoreWriter(tmp_path, dim=8, **KIND).resume_at == 105
    (tmp_path / "shard-000001.parquet").unlink()
    with pytest.raises(C3Error, match=r"shard-000001\.parquet is missing"):
        StoreWriter(tmp_path, dim=8, **KIND)


# ---- load_embeddings


@pytest.mark.parametrize("kind", ["store", "npy", "half.npy", "parquet", "list.parquet", "safetensors"])
def test_embeddings_load_from_every_form_in_even_batches(kind: str, store: Store, tmp_path: Path) -> None:
    expected, path = unit(95), tmp_path / f"embeddings.{kind}"
    if kind == "store":
        path = store.folder
    elif kind.endswith("npy"):
        np.save(path, expected.half().numpy() if kind.startswith("half") else expected.double().numpy())
    elif kind == "parquet":
        path = store.folder / "shard-000000.parquet"
        expected = expected[:30]
    elif kind == "list.parquet":
        pq.write_table(pa.table({"vector": expected.tolist(), "n": range(95)}), path, row_group_size=20)
    else:
        save_file({"embeddings": expected, "other": torch.zeros(3)}, path)
    batches = list(load_embeddings(path, batch_size=16))
    assert [len(batch) for batch in batches] == [16] * (len(expected) // 16) + [len(expected) % 16]
    assert {batch.dtype for batch in batches} == {torch.float32}
    torch.testing.assert_close(torch.cat(batches), expected, rtol=0, atol=1e-3 if "half" in kind else 1e-7)


def test_files_without_embeddings_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(3))
    np.save(tmp_path / "whole.npy", np.zeros((3, 2), int))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "broken.safetensors").write_bytes(b"1")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "none.parquet")
    pq.write_table(pa.table({"a": [[1.0]], "b": [[1.0]]}), tmp_path / "two.parquet")
    pq.write_table(pa.table({"a": [[1.0, 2.0], [1.0]]}), tmp_path / "ragged.parquet")
    pq.write_table(pa.table({"a": [[1.0, 2.0], None]}), tmp_path / "null.parquet")
    save_file({"a": torch.zeros(2, 2, dtype=torch.int32)}, tmp_path / "whole.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "flat.safetensors")
    (tmp_path / "text.txt").touch()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 13
    for name in [*names, "missing.npy"]:
        with pytest.raises(C3Error, match=name):
            load_embeddings(tmp_path / name)


def test_a_large_array_is_not_read_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.zeros((50_000, 32), np.float32))
    tracemalloc.start()
    for batch in load_embeddings(tmp_path / "large.npy", batch_size=500):
        del batch
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # of 6.4 MB
