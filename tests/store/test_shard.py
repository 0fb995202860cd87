"""One shard: what tells its encoder and its inputs, and how Parquet holds its rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from c3core.errors import CorruptFile
from c3core.store import shard
from c3core.store.shard import (
    BadInput,
    EncoderInfo,
    InputRange,
    StoreBatch,
    read_batches,
    read_footer,
    read_range,
    read_shards,
    write_shard,
)
from tests.helpers.small_stores import unit
from tests.helpers.words import WordEncoder

INFO = EncoderInfo("s", "text", 8, "f")


def rows(count: int) -> StoreBatch:
    return StoreBatch([f"id {k}" for k in range(count)], ["ä"] * count, unit(count), torch.arange(count) + 1.0)


def put(folder: Path, index: int, inputs: InputRange, count: int, encoder: EncoderInfo = INFO) -> Path:
    path = folder / shard.shard_name(index)
    write_shard(path, encoder, inputs, rows(count))
    return path


def test_the_encoder_is_told_with_the_type_that_it_computes_in() -> None:
    encoder = WordEncoder(dim=4)
    assert EncoderInfo.of(encoder) == EncoderInfo("words", "text", 4, "words-4-0", "float32")
    assert EncoderInfo.of(encoder).space == "words"  # does not count in the comparison
    encoder.dtype = torch.bfloat16
    assert EncoderInfo.of(encoder).precision == "bfloat16"
    assert EncoderInfo.of(encoder) != EncoderInfo("words", "text", 4, "words-4-0")


def test_a_shard_keeps_its_rows_inputs_and_encoder(tmp_path: Path) -> None:
    inputs = InputRange(3, 9, "sum", [BadInput("b", "ä\u2028.png", "why")])
    path = put(tmp_path, 0, inputs, 5)
    assert read_range(path, read_footer(path), EncoderInfo("moved", "text", 8, "f")) == inputs
    about = pq.read_metadata(path).metadata[shard.KEY].decode()
    assert "ä" in about
    assert json.loads(about)["encoder"] == {
        "space": "s", "modality": "text", "dim": 8, "fingerprint": "f", "precision": "float32"
    }  # fmt: skip
    for size, sizes in ((2, [2, 2, 1]), (5, [5])):
        batches = [*read_batches(path, shard.COLUMNS, 8, size)]
        assert [len(batch.ids) for batch in batches] == sizes
        whole = StoreBatch.concat(batches, 8)
        assert (whole.ids, whole.sources) == (rows(5).ids, rows(5).sources)
        assert torch.equal(whole.embeddings, rows(5).embeddings)
        assert torch.equal(whole.norms, rows(5).norms)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("other", [("text", 8, "g"), ("image", 8, "f"), ("text", 4, "f")])
def test_a_shard_of_another_encoder_is_refused(other: tuple[str, int, str], tmp_path: Path) -> None:
    path = put(tmp_path, 0, InputRange(0, 5, "", []), 5)
    with pytest.raises(CorruptFile, match=r"is a shard of another store \(s, text\)"):
        read_range(path, read_footer(path), EncoderInfo("s", *other))


def test_a_shard_whose_columns_differ_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, 0, InputRange(0, 5, "", []), 5)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("norm"), path)
    with pytest.raises(CorruptFile, match="is a shard of another store"):
        read_range(path, read_footer(path), INFO)


def test_each_shard_follows_the_one_before(tmp_path: Path) -> None:
    put(tmp_path, 0, InputRange(0, 6, "", [BadInput("b", "", "")]), 5)
    put(tmp_path, 1, InputRange(6, 20, "", []), 5)  # inputs may give no row and not be bad: those of another modality
    assert [(path.name, footer.num_rows, inputs.stop) for path, footer, inputs in read_shards(tmp_path, INFO)] == [
        ("shard-000000.parquet", 5, 6),
        ("shard-000001.parquet", 5, 20),
    ]
    for wrong in (InputRange(7, 20, "", []), InputRange(6, 10, "", []), InputRange(6, 11, "", [BadInput("b", "", "")])):
        put(tmp_path, 1, wrong, 5)
        with pytest.raises(CorruptFile, match="shard-000001.parquet does not follow"):
            list(read_shards(tmp_path, INFO))


def test_what_is_written_is_plain_parquet_that_can_be_read_in_place(tmp_path: Path) -> None:
    path = tmp_path / "shard-000000.parquet"
    count = shard.GROUP_ROWS + 1
    write_shard(path, INFO, InputRange(0, count, "", []), rows(count))
    footer = read_footer(path)
    assert [footer.row_group(k).num_rows for k in range(footer.num_row_groups)] == [shard.GROUP_ROWS, 1]
    columns = [footer.row_group(0).column(k) for k in range(4)]
    assert [column.compression for column in columns] == ["ZSTD", "ZSTD", "UNCOMPRESSED", "UNCOMPRESSED"]
    for column in columns:
        assert not any("DICTIONARY" in encoding for encoding in column.encodings)
        assert not column.is_stats_set
    assert not any(field.nullable for field in pq.read_schema(path))
    assert footer.schema.column(2).path == "embedding.list.element"  # another name would shut out stores of before


def test_places_are_taken_of_all_columns() -> None:
    places = np.array([4, 0, 4])
    taken = rows(5).take(places)
    assert (taken.ids, taken.sources) == (["id 4", "id 0", "id 4"], ["ä"] * 3)
    assert torch.equal(taken.embeddings, unit(5)[[4, 0, 4]])
    assert taken.norms.tolist() == [5.0, 1.0, 5.0]


def test_no_batches_are_a_batch_without_rows() -> None:
    none = StoreBatch.concat([], 8)
    assert (none.ids, none.sources, none.embeddings.shape, none.norms.shape) == ([], [], (0, 8), (0,))


def test_rows_of_arrow_that_are_none_are_a_batch_without_rows() -> None:
    none = pa.RecordBatch.from_pylist([], schema=shard.schema(8))
    batch = shard.to_batch(none, 8)
    assert (batch.ids, batch.sources, batch.embeddings.shape, batch.norms.shape) == ([], [], (0, 8), (0,))


def test_a_bad_input_is_told_by_its_source_or_its_id() -> None:
    assert str(BadInput("t.csv:3", " a.png ", "broken")) == "a.png: broken"
    assert str(BadInput("t.csv:3", " ", "no word")) == "t.csv:3: no word"
