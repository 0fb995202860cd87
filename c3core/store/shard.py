"""One shard of a store: a Parquet file that also says which inputs it covers and which of them were bad.

Rows and bad items of the same inputs stand in one file, so that they land on disk together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from c3core.contracts import Encoder
from c3core.errors import C3Error, CorruptFile, lines_of
from c3core.io.files import atomic_write

KEY = b"c3core"  # of our entry in a Parquet file's metadata
COLUMNS = ("id", "source", "embedding", "norm")
GROUP_ROWS = 4096  # rows a row group: what shuffling reads at once


@dataclass(frozen=True)
class EncoderInfo:
    """Which encoder made the embeddings of a store: only those of the same one may be compared.

    The name of the space does not count: it may be a path, and the same weights may lie elsewhere. The fingerprint
    tells.
    """

    space: str = field(compare=False)
    modality: str
    dim: int
    fingerprint: str
    precision: str = "float32"  # of the model's arithmetic: one store has one

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderInfo:
        precision = str(encoder.dtype).removeprefix("torch.")
        return cls(encoder.space, encoder.modality, encoder.dim, encoder.fingerprint, precision)


@dataclass(frozen=True)
class BadInput:
    """An input that gave no embedding, and why."""

    id: str
    source: str
    why: str


@dataclass(frozen=True)
class InputRange:
    """The inputs that a shard covers: from `start` up to `stop`; `mark` is a checksum of all up to `stop`."""

    start: int
    stop: int
    mark: str
    bad: list[BadInput]


@dataclass(frozen=True)
class StoreBatch:
    """Some rows of a store. `embeddings` (n, dim) and `norms` (n,) are float32; a column not asked for is empty.

    The tensors may share memory with one another: copy before changing them in place.
    """

    ids: list[str]
    sources: list[str]
    embeddings: Tensor
    norms: Tensor


def shard_name(index: int) -> str:
    return f"shard-{index:06d}.parquet"


def schema(dim: int) -> pa.Schema:
    """The columns of every store. None may be null: readers then need no masks and can share the memory."""
    vector = pa.list_(pa.field("element", pa.float32(), nullable=False), dim)
    types = (pa.string(), pa.string(), vector, pa.float32())
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in zip(COLUMNS, types, strict=True)])


def write_shard(path: Path, encoding: EncoderInfo, span: InputRange, rows: StoreBatch) -> None:
    """Write a shard whole or not at all."""
    columns = schema(encoding.dim)
    flat = pa.array(rows.embeddings.contiguous().numpy().reshape(-1))
    arrays = [
        pa.array(rows.ids, pa.string()),
        pa.array(rows.sources, pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, type=columns.field("embedding").type),
        pa.array(rows.norms.contiguous().numpy()),
    ]
    about = json.dumps({**asdict(encoding), **asdict(span)}, ensure_ascii=False)
    table = pa.table(arrays, schema=columns.with_metadata({KEY: about.encode()}))
    with atomic_write(path) as temporary:
        pq.write_table(
            table,
            temporary,
            row_group_size=GROUP_ROWS,
            compression={"id": "zstd", "source": "zstd", "norm": "none", "embedding.list.element": "none"},
            use_dictionary=False,  # ids and embeddings hardly repeat
            write_statistics=False,
            write_page_checksum=True,
        )


def read_footer(path: Path) -> pq.FileMetaData:
    """The Parquet metadata of a shard; a `C3Error` names a file that is missing, cut short or not Parquet."""
    try:
        return pq.read_metadata(path)
    except FileNotFoundError as error:
        raise CorruptFile(f"{path} is missing. Put it back, or make the store again.") from error
    except (OSError, pa.ArrowException) as error:
        raise _broken(path, error) from error


def read_span(path: Path, footer: pq.FileMetaData, encoding: EncoderInfo) -> InputRange:
    """What the shard covers; a `C3Error` names a file that belongs to no store, or to that of another encoder."""
    try:
        about = json.loads(footer.metadata[KEY])
        precision = about.get("precision", "float32")  # not said by the first stores
        found = EncoderInfo(about["space"], about["modality"], about["dim"], about["fingerprint"], precision)
        span = InputRange(about["start"], about["stop"], about["mark"], [BadInput(**bad) for bad in about["bad"]])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFile(f"{path} is not a shard of a store. Take it out of the folder.") from error
    if found != encoding or not footer.schema.to_arrow_schema().equals(schema(encoding.dim)):
        raise CorruptFile(f"{path} is a shard of another store ({found.space}, {found.modality}). Take it out.")
    return span


def read_batches(
    path: Path, columns: Sequence[str], batch_size: int, *, verify: bool = False
) -> Iterator[pa.RecordBatch]:
    """The rows of a shard in order, at most `batch_size` at a time; with `verify` each page's checksum is checked."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=verify) as file:
            yield from file.iter_batches(batch_size, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise _broken(path, error) from error


def read_group(path: Path, group: int, columns: Sequence[str]) -> pa.Table:
    """One row group of a shard."""
    try:
        with pq.ParquetFile(path) as file:
            return file.read_row_group(group, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise _broken(path, error) from error


def floats(column: Any, dim: int | None = None) -> Tensor:
    """An Arrow column of float32, or of vectors of `dim` of them, as a tensor that shares its memory."""
    if not len(column):
        return torch.zeros(0) if dim is None else torch.zeros(0, dim)
    return from_dlpack(column) if dim is None else from_dlpack(column.flatten()).view(-1, dim)


def to_batch(rows: pa.RecordBatch, dim: int) -> StoreBatch:
    """Arrow rows as a `StoreBatch`; tensors share Arrow's memory."""
    names = rows.schema.names
    return StoreBatch(
        ids=rows.column("id").to_pylist() if "id" in names else [],
        sources=rows.column("source").to_pylist() if "source" in names else [],
        embeddings=floats(rows.column("embedding"), dim) if "embedding" in names else torch.zeros(0, dim),
        norms=floats(rows.column("norm")) if "norm" in names else torch.zeros(0),
    )


def _broken(path: Path, error: Exception) -> C3Error:
    return CorruptFile(f"{path} cannot be read: cut short or overwritten ({lines_of(error)[0]}). Make the store again.")


def storable(text: str) -> str:
    """Text that a file can hold: bytes of a file name that are no UTF-8 become `\\udc…` escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text
