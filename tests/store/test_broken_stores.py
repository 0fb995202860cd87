"""A broken store is named on opening, or by `check`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from c3core.errors import C3Error
from c3core.store import EncoderInfo, shard
from c3core.store.store import Store, StoreWriter
from tests.helpers.small_stores import KIND, unit, write


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write(tmp_path / "store", unit(95))


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
        (_truncate, "shard-000001.parquet is missing, cut short or overwritten"),
        (
            lambda folder: (folder / "shard-000001.parquet").write_bytes(b""),
            "shard-000001.parquet is missing, cut short",
        ),
        (lambda folder: (folder / "shard-000001.parquet").unlink(), "shard-000001.parquet is missing"),
        (_foreign, "shard-000001.parquet is not a shard of a store"),
        (_of_another, "shard-000001.parquet is a shard of another store"),
        (_extra, "shard-000009.parquet does not belong"),
        (lambda folder: (folder / "store.json").unlink(), "not a store"),
        (lambda folder: (folder / "store.json").write_text("{"), "store.json cannot be read as JSON"),
        (lambda folder: (folder / "store.json").write_text("[]"), "store.json: must hold fields by name"),
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


def _not_unit(folder: Path) -> None:
    path = folder / "shard-000001.parquet"
    span = shard.read_range(path, pq.read_metadata(path), shard.EncoderInfo("s", "text", 8, "f"))
    rows = shard.StoreBatch(["x"] * 30, ["x"] * 30, unit(30) * 2, torch.ones(30))
    shard.write_shard(path, shard.EncoderInfo("s", "text", 8, "f"), span, rows)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_flip, "shard-000001.parquet is missing, cut short"),
        (_swap, "shard-000001.parquet does not follow"),
        (_not_unit, "shard-000001.parquet: the embedding of x is not of unit norm"),
        (lambda folder: (folder / "errors.jsonl").write_text(""), "errors.jsonl does not agree"),
        (lambda folder: (folder / "errors.jsonl").write_text("{"), "errors.jsonl cannot be read"),
        (_manifest(bad=3), "store.json does not agree"),
    ],
)
def test_check_finds_faults_that_opening_does_not(harm: Any, message: str, store: Store) -> None:
    harm(store.folder)
    with pytest.raises(C3Error, match=message):
        Store.open(store.folder).check()


def test_an_unfinished_store_with_a_gap_is_not_continued(tmp_path: Path) -> None:
    write(tmp_path, unit(95))
    _manifest(complete=False)(tmp_path)
    assert StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND)).resume_at == 105
    (tmp_path / "shard-000001.parquet").unlink()
    with pytest.raises(C3Error, match=r"shard-000001\.parquet is missing"):
        StoreWriter(tmp_path, EncoderInfo(dim=8, **KIND))
