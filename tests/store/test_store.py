"""Reading a store, in order, shuffled and by other tools."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from c3core.errors import C3Error, WrongCall
from c3core.statistics.moments import Moments
from c3core.store import shard
from c3core.store.shard import EncoderInfo, StoreBatch
from c3core.store.store import Store, StoreWriter, join
from tests.helpers.labelled import Labelled
from tests.helpers.small_stores import KIND, unit, write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write(tmp_path / "store", unit(95))


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "GROUP_ROWS", 7)


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
    assert [error.id for error in store.errors()] == [f"bad {at}" for at in range(0, 95, 10)]
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
    rows = pq.read_table(store.folder / "shard-000000.parquet", columns=["embedding"]).to_batches()[0]
    assert shard.to_batch(rows, 8).embeddings.data_ptr() == rows.column(0).flatten().buffers()[1].address


def test_pyarrow_reads_the_shards(store: Store) -> None:
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
            patch.setattr(shard, "GROUP_ROWS", 7)
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


def test_shuffling_mixes_shards(store: Store, small_groups: None, tmp_path: Path) -> None:
    mixed = write(tmp_path / "mixed", unit(900), shard_rows=100, piece=50)
    batch = next(mixed.shuffled(64, seed=1, epoch=0, buffer=200))
    places = [int(name.split()[1]) for name in batch.ids]
    assert len({place // 100 for place in places}) >= 4  # of nine shards
    assert sum(abs(a - b) == 1 for a, b in pairwise(places)) < 10  # neighbours are torn apart


def test_shuffling_never_holds_all_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shard, "GROUP_ROWS", 500)
    store = write(tmp_path / "large", unit(20_000, dim=64), piece=1000, shard_rows=4000)
    pool = pa.default_memory_pool()
    highest = 0
    for batch in store.shuffled(100, seed=0, epoch=0, buffer=1000):
        highest = max(highest, pool.bytes_allocated())
        del batch
    assert highest < 0.4 * 20_000 * 64 * 4  # a buffer, its copy and the groups being read, of a store of 5 MB


# ---- moments, from_embeddings, join


def test_rows_come_as_an_encoder_gives_them_from_any_row_on(store: Store) -> None:
    for start in (0, 1, 13, 94, 95):
        batches = [*store.encoded(10, start=start)]
        assert [position for batch in batches for position in batch.index] == [*range(95 - start)]
        assert torch.equal(torch.cat([unit(95)[:0], *(batch.embeddings for batch in batches)]), unit(95)[start:])


def test_moments_are_of_all_rows(store: Store) -> None:
    moments = store.moments(("mean", "variance"))
    expected = unit(95).double()
    torch.testing.assert_close(moments.mean, expected.mean(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(moments.variance, Moments.of(unit(95)).variance, rtol=0, atol=1e-12)
    assert moments.mean_norm == pytest.approx(np.arange(1, 96).mean())


def test_moments_of_a_store_hold_a_sample_of_the_size_asked_for(store: Store) -> None:
    assert len(Moments.of(store, {"sample"}, sample_size=7).sample) == 7
    assert len(Moments.of(store, {"sample"}, sample_size=60_000).sample) == 95


def test_from_embeddings_normalizes_and_keeps_norms(tmp_path: Path) -> None:
    raw = torch.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, -2.0]])
    store = Store.from_embeddings(tmp_path / "store", raw, **KIND)
    batch = next(store.batches())
    torch.testing.assert_close(batch.embeddings, torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, -1.0]]))
    torch.testing.assert_close(batch.norms, torch.tensor([5.0, 1.0, 2.0]))
    assert batch.ids == batch.sources == ["0", "1", "2"]
    given = Store.from_embeddings(
        tmp_path / "given", raw[1:2], ids=["a"], sources=["b"], norms=torch.tensor([7.0]), **KIND
    )
    batch = next(given.batches())
    assert (batch.ids, batch.sources, batch.norms.tolist()) == (["a"], ["b"], [7.0])
    labels = Labelled(["1", "2", "3"])
    labelled = Store.from_embeddings(tmp_path / "labelled", raw.numpy(), ids=labels, sources=labels, **KIND)
    assert next(labelled.batches()).ids == next(labelled.batches()).sources == ["1", "2", "3"]
    assert len(Store.from_embeddings(tmp_path / "none", torch.zeros(0, 4), **KIND).embeddings()) == 0
    with pytest.raises(C3Error, match="already"):
        Store.from_embeddings(tmp_path / "given", raw, **KIND)
    with pytest.raises(C3Error, match="2 ids came with 2 sources, embeddings \\(3, 2\\)") as kept:
        Store.from_embeddings(tmp_path / "short", raw, ids=["a", "b"], **KIND)
    with pytest.raises(C3Error, match="embedding of 1 is zero"):
        Store.from_embeddings(tmp_path / "short", torch.tensor([[1.0, 0.0], [0.0, 0.0]]), **KIND)
    assert len(Store.from_embeddings(tmp_path / "short", raw, **KIND)) == 3, (
        "errors that are kept do not lock the folder"
    )
    assert kept.value.__traceback__ is not None


def test_the_checksum_tells_stores_of_other_rows_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c3core.store.store.SHARD_ROWS", 4)
    rows, names = unit(10), [f"n{k}" for k in range(10)]
    places = iter(range(99))

    def checksum(rows: torch.Tensor, ids: list[str] | None = None, sources: list[str] | None = None) -> str:
        folder = tmp_path / str(next(places))
        return Store.from_embeddings(folder, rows, ids=ids, sources=sources, **KIND).checksum

    first = checksum(rows, names, names)
    assert first.startswith("10-")
    assert checksum(rows.clone(), [*names], [*names]) == first == checksum(rows.T.contiguous().T, names)
    others = {  # of another source, id, place, and embedding in the first and the last piece; of fewer rows
        checksum(rows, names, [*names[1:], names[0]]),
        checksum(rows, [*names[1:], names[0]], names),
        checksum(torch.cat([rows[1:], rows[:1]]), names),
        checksum(torch.cat([-rows[:1], rows[1:]]), names),
        checksum(torch.cat([rows[:-1], -rows[-1:]]), names),
        checksum(rows[:9], names[:9]),
        checksum(rows),
    }
    assert len(others) == 7
    assert first not in others
    written = Store.open(tmp_path / "0")
    assert torch.equal(written.embeddings(), rows)
    assert [*written.sources()] == names


def test_a_list_that_is_one_string_is_named(tmp_path: Path) -> None:
    for name in ("ids", "sources"):
        with pytest.raises(C3Error, match=f"^{name} must be a list"):
            Store.from_embeddings(tmp_path / "store", unit(2), **{name: "ab"}, **KIND)


def test_those_who_make_a_sample_choose_its_seed(store: Store) -> None:
    expected = Moments(8, {"sample"}, sample_size=9, seed=4).update(unit(95))
    assert torch.equal(store.moments({"sample"}, sample_size=9, seed=4).sample, expected.sample)
    assert not torch.equal(store.moments({"sample"}, sample_size=9).sample, expected.sample)


def test_its_repr_is_what_it_holds(store: Store) -> None:
    assert repr(store) == f"Store('{store.folder}', rows=95, dim=8, space='s', modality='text')"


def test_a_wrong_order_of_shuffling_is_refused(store: Store) -> None:
    for wrong in ({"batch_size": 0}, {"batch_size": 4, "buffer": 0}):
        with pytest.raises(WrongCall, match="at least 1"):
            next(store.shuffled(seed=0, epoch=0, **wrong))
    assert [len(batch.ids) for batch in store.shuffled(1, seed=0, epoch=0, buffer=1)] == [1] * 95


def test_join_keeps_rows_and_errors_in_order(tmp_path: Path) -> None:
    parts = [write(tmp_path / "a", unit(40)), write(tmp_path / "b", unit(30, seed=1), start=40)]
    joined = join(parts, tmp_path / "both")
    assert torch.equal(joined.embeddings(), torch.cat([unit(40), unit(30, seed=1)]))
    assert [name for batch in joined.batches() for name in batch.ids] == [f"id {i}" for i in range(70)]
    assert list(joined.errors()) == [*parts[0].errors(), *parts[1].errors()]
    joined.check()
    assert joined.checksum.startswith("77-")  # 70 rows, and 4 and 3 bad inputs
    assert joined.bad == 7
    assert Counter(joined.sources()) == Counter(f"from id {i}" for i in range(70))
    assert join(parts, tmp_path / "again").checksum == joined.checksum
    others = {join(parts[::-1], tmp_path / "turned").checksum, join(parts[:1] * 2, tmp_path / "twice").checksum}
    assert len(others | {joined.checksum}) == 3
    with pytest.raises(WrongCall, match="Name at least one"):
        join([], tmp_path / "never")
    with pytest.raises(WrongCall, match="holds a store already"):
        join(parts, tmp_path / "both")
    other = Store.from_embeddings(tmp_path / "other", unit(5), space="s", modality="text", fingerprint="g")
    with pytest.raises(WrongCall, match="different encoders"):
        join([parts[0], other], tmp_path / "never")


def test_what_other_inputs_gave_no_row_is_counted_in_a_join_too(tmp_path: Path) -> None:
    parts = []
    for name in "ab":
        writer = StoreWriter(tmp_path / name, EncoderInfo(dim=8, **KIND))
        writer.append(StoreBatch(["1"], ["s"], unit(1), torch.ones(1)), consumed=5, checksum=name)
        writer.finish()
        parts.append(Store.open(tmp_path / name))
    assert join(parts, tmp_path / "both").checksum.startswith("10-")
    assert join([parts[0]] * 2, tmp_path / "twice").checksum != join(parts, tmp_path / "again").checksum
