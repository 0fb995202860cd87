"""Embeddings from every form of file, in pieces and of unit norm."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from c3_paper.geometry.array_files import load_embeddings
from c3core import Store
from c3core.errors import C3Error
from tests.helpers.small_stores import unit, write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write(tmp_path / "store", unit(95))


@pytest.mark.parametrize("kind", ["npy", "half.npy", "parquet", "list.parquet", "safetensors"])
def test_embeddings_load_from_every_form_in_pieces(kind: str, store: Store, tmp_path: Path) -> None:
    expected, path = unit(95), tmp_path / f"embeddings.{kind}"
    if kind.endswith("npy"):
        np.save(path, expected.half().numpy() if kind.startswith("half") else expected.double().numpy())
    elif kind == "parquet":
        path = store.folder / "shard-000000.parquet"
        expected = expected[:30]
    elif kind == "list.parquet":
        pq.write_table(pa.table({"vector": expected.tolist(), "n": range(95)}), path, row_group_size=20)
    else:
        save_file({"embeddings": expected, "other": torch.zeros(3)}, path)
    batches = list(load_embeddings(path, batch_size=16))
    assert len(batches) > 1
    assert max(len(batch) for batch in batches) <= 16
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
            list(load_embeddings(tmp_path / name))


def test_the_error_tells_what_a_file_holds_instead(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros((3, 2), np.int64))
    (tmp_path / "text.npy").write_text("x,y,z\n0.1,0.2,0.3\n")
    save_file({"a": torch.zeros(2, 2), "b": torch.zeros(2, 2)}, tmp_path / "two.safetensors")
    save_file({"a": torch.zeros(2, 2, dtype=torch.int32)}, tmp_path / "whole.safetensors")
    pq.write_table(pa.table({"a": [[1.0]], "b": [[1.0]], "n": [1]}), tmp_path / "two.parquet")
    pq.write_table(pa.table({"n": [1]}), tmp_path / "none.parquet")
    pq.write_table(pa.table({"a": [[1.0, 2.0], [1.0]]}), tmp_path / "ragged.parquet")
    (tmp_path / "other.txt").touch()
    for name, says in (
        ("whole.npy", r"holds int64 of shape \(3, 2\)"),
        ("text.npy", "magic string is not correct"),
        ("two.safetensors", r"has 2 tensors \(n, dim\)\. Name the one to take `embedding`\."),
        ("two.parquet", r"has 2 columns of vectors \(columns: a, b, n\)\."),
        ("none.parquet", r"has no column of vectors \(columns: n\)\."),
        ("ragged.parquet", r"the vectors of column 'a' are missing or of several lengths"),
        ("whole.safetensors", r"holds I32 of shape \(2, 2\)"),
        ("other.txt", "is no file of embeddings"),
    ):
        with pytest.raises(C3Error, match=says) as refused:
            list(load_embeddings(tmp_path / name))
        assert "pickle" not in str(refused.value)


def test_a_large_array_is_not_read_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "large.npy", np.full((50_000, 32), 32**-0.5, np.float32))
    tracemalloc.start()
    for batch in load_embeddings(tmp_path / "large.npy", batch_size=500):
        del batch
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000  # of 6.4 MB


def test_rows_of_another_norm_are_normalized_and_one_without_a_direction_is_named(tmp_path: Path) -> None:
    rows = unit(95)
    np.save(tmp_path / "long.npy", 10 * rows.numpy())
    with pytest.warns(UserWarning, match=r"long.npy has rows that are not of unit norm"):
        (found,) = load_embeddings(tmp_path / "long.npy")
    torch.testing.assert_close(found, rows)
    rows[70] = 0
    np.save(tmp_path / "zero.npy", rows.numpy())
    with pytest.raises(C3Error, match=r"row 70 of .*zero.npy is zero"):
        list(load_embeddings(tmp_path / "zero.npy", batch_size=16))


def test_an_empty_file_is_one_clear_error(tmp_path: Path) -> None:
    for suffix in (".npy", ".parquet", ".safetensors"):
        (tmp_path / f"empty{suffix}").touch()
        with pytest.raises(C3Error, match=f"empty{suffix} cannot be read"):
            list(load_embeddings(tmp_path / f"empty{suffix}"))


@pytest.mark.parametrize("name", ["embedding", "embeddings"])
def test_of_several_columns_or_tensors_the_one_of_that_name_is_taken(name: str, tmp_path: Path) -> None:
    rows, other = unit(5), unit(5, seed=1)
    pq.write_table(pa.table({"other": other.tolist(), name: rows.tolist()}), tmp_path / "a.parquet")
    save_file({"other": other, name: rows}, tmp_path / "a.SAFETENSORS")
    for path in (tmp_path / "a.parquet", tmp_path / "a.SAFETENSORS"):
        (found,) = load_embeddings(path)
        torch.testing.assert_close(found, rows, rtol=0, atol=1e-7)


def test_every_kind_of_list_is_a_vector(tmp_path: Path) -> None:
    rows = unit(5)
    for kind in (
        pa.list_(pa.float32()),
        pa.large_list(pa.float64()),
        pa.list_(pa.float32(), 8),
        pa.list_(pa.float16()),
    ):
        column = pa.array(rows.half().numpy().tolist(), pa.list_(pa.float32())).cast(kind)
        pq.write_table(pa.table({"n": [[1]] * 5, "v": column}), tmp_path / "a.parquet")
        (found,) = load_embeddings(tmp_path / "a.parquet")
        torch.testing.assert_close(found, rows, rtol=0, atol=1e-3)


def test_a_file_without_rows_gives_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 8), np.float32))
    pq.write_table(pa.table({"v": pa.array([], pa.list_(pa.float32()))}), tmp_path / "a.parquet")
    for path in tmp_path.iterdir():
        assert sum(len(batch) for batch in load_embeddings(path)) == 0
