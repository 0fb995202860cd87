"""The files of a store: `store.json`, and shards, Parquet files of rows that also say which inputs were bad.

Rows and bad inputs are in one file, so that they reach the disk together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from c3core.contracts import Encoder
from c3core.errors import CorruptFile, library_errors
from c3core.io.files import atomic_write
from c3core.io.layout import STORE
from c3core.io.validation import read_checked
from c3core.version import __version__

KEY = b"c3core"  # of our entry in a Parquet file's metadata
COLUMNS = ("id", "source", "embedding", "norm")
GROUP_ROWS = 4096  # rows in a row group, the unit that shuffling reads


@dataclass(frozen=True)
class EncoderInfo:
    """The encoder that made the embeddings of a store. Only embeddings of the same encoder may be compared.

    The name of the space does not count, because it may be a path to weights that were moved. The fingerprint does.
    """

    space: str = field(compare=False)
    modality: str
    dim: int
    fingerprint: str
    precision: str = "float32"  # the dtype that the model computes in

    @classmethod
    def of(cls, encoder: Encoder) -> EncoderInfo:
        precision = str(encoder.dtype).removeprefix("torch.")
        return cls(encoder.space, encoder.modality, encoder.dim, encoder.fingerprint, precision)


class StoreManifest(BaseModel):
    """`store.json`. The numbers are written when the store is complete; until then only the shards tell."""

    format: Literal[1] = 1
    encoder: EncoderInfo
    complete: bool = False
    rows: int = 0
    bad: int = 0
    consumed: int = 0  # inputs: a row each, or bad
    checksum: str = ""  # of the inputs
    shards: list[int] = []  # the rows of each shard
    c3core: str = __version__

    @classmethod
    def read(cls, folder: Path) -> StoreManifest:
        return read_checked(cls, folder / STORE)


@dataclass(frozen=True)
class BadInput:
    """An input that gave no embedding, and why."""

    id: str
    source: str
    why: str

    def __str__(self) -> str:
        return f"{self.source.strip() or self.id}: {self.why}"


@dataclass(frozen=True)
class InputRange:
    """The inputs of a shard: those from number `start` to `stop` (exclusive), and the bad ones among them.

    `checksum` is of all inputs of the store before `stop`.
    """

    start: int
    stop: int
    checksum: str
    bad: list[BadInput]


@dataclass(frozen=True)
class StoreBatch:
    """Some rows of a store: `embeddings` (n, dim) and `norms` (n,) are float32. A column not asked for is empty.

    The tensors may share memory with other batches: copy them before you change them in place.
    """

    ids: list[str]
    sources: list[str]
    embeddings: Tensor
    norms: Tensor

    @classmethod
    def concat(cls, batches: Iterable[StoreBatch], dim: int) -> Self:
        """All rows of some batches as one."""
        parts = list(batches)
        return cls(
            [text for part in parts for text in part.ids],
            [text for part in parts for text in part.sources],
            torch.cat([torch.zeros(0, dim), *(part.embeddings for part in parts)]),
            torch.cat([torch.zeros(0), *(part.norms for part in parts)]),
        )

    def take(self, places: NDArray[np.int64]) -> StoreBatch:
        """The rows at some positions, of a batch with all columns."""
        ids, sources = ([texts[place] for place in places.tolist()] for texts in (self.ids, self.sources))
        at = torch.from_numpy(places)
        return StoreBatch(ids, sources, self.embeddings[at], self.norms[at])


def shard_name(index: int) -> str:
    return f"shard-{index:06d}.parquet"


def schema(dim: int) -> pa.Schema:
    """The columns of a shard. None may be null: readers then need no masks and can share the memory."""
    vector = pa.list_(pa.field("element", pa.float32(), nullable=False), dim)
    types = (pa.string(), pa.string(), vector, pa.float32())
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in zip(COLUMNS, types, strict=True)])


def write_shard(path: Path, encoder: EncoderInfo, inputs: InputRange, rows: StoreBatch) -> None:
    """Write a shard whole or not at all."""
    columns = schema(encoder.dim)
    flat = pa.array(rows.embeddings.contiguous().numpy().reshape(-1))
    arrays = [
        pa.array(rows.ids, pa.string()),
        pa.array(rows.sources, pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, type=columns.field("embedding").type),
        pa.array(rows.norms.contiguous().numpy()),
    ]
    about = json.dumps({"encoder": asdict(encoder), "inputs": asdict(inputs)}, ensure_ascii=False)
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
    """The Parquet metadata of a shard. Raises `CorruptFile` if it is missing, cut short or not Parquet."""
    with _reading(path):
        return pq.read_metadata(path)


def read_shards(folder: Path, encoder: EncoderInfo) -> Iterator[tuple[Path, pq.FileMetaData, InputRange]]:
    """The path, the footer and the inputs of each shard in a folder, in order.

    Raises `CorruptFile` if a shard is missing or of another store, or does not follow the one before.
    """
    stop = 0
    for index, path in enumerate(sorted(folder.glob("shard-*.parquet"))):
        if path.name != shard_name(index):
            raise CorruptFile(f"{folder / shard_name(index)} is missing. Put it back, or make the store again.")
        footer = read_footer(path)
        inputs = read_range(path, footer, encoder)
        if inputs.start != stop or inputs.stop - stop < footer.num_rows + len(inputs.bad):
            raise CorruptFile(f"{path} does not follow the shard before it. Make the store again.")
        stop = inputs.stop
        yield path, footer, inputs


def read_range(path: Path, footer: pq.FileMetaData, encoder: EncoderInfo) -> InputRange:
    """The inputs of a shard. Raises `CorruptFile` if the file is no shard, or a shard of another store."""
    try:
        about = json.loads(footer.metadata[KEY])
        found = EncoderInfo(**about["encoder"])
        inputs = InputRange(**about["inputs"] | {"bad": [BadInput(**entry) for entry in about["inputs"]["bad"]]})
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptFile(f"{path} is not a shard of a store. Take it out of the folder.") from error
    if found != encoder or not footer.schema.to_arrow_schema().equals(schema(encoder.dim)):
        raise CorruptFile(f"{path} is a shard of another store ({found.space}, {found.modality}). Take it out.")
    return inputs


def read_batches(
    path: Path, columns: Sequence[str], dim: int, size: int, *, verify: bool = False
) -> Iterator[StoreBatch]:
    """The rows of a shard in order, at most `size` at a time. With `verify`, check the checksum of each page."""
    with _reading(path), pq.ParquetFile(path, page_checksum_verification=verify) as file:
        for rows in file.iter_batches(size, columns=list(columns)):
            yield to_batch(rows, dim)


def read_group(path: Path, group: int) -> pa.Table:
    """One row group of a shard."""
    with _reading(path), pq.ParquetFile(path) as file:
        return file.read_row_group(group)


def to_batch(rows: pa.RecordBatch, dim: int) -> StoreBatch:
    """Arrow rows as a `StoreBatch`, whose tensors share Arrow's memory."""
    found = dict(zip(rows.schema.names, rows.columns, strict=True)) if len(rows) else {}
    return StoreBatch(
        ids=found["id"].to_pylist() if "id" in found else [],
        sources=found["source"].to_pylist() if "source" in found else [],
        embeddings=from_dlpack(found["embedding"].flatten()).view(-1, dim)
        if "embedding" in found
        else torch.zeros(0, dim),
        norms=from_dlpack(found["norm"]) if "norm" in found else torch.zeros(0),
    )


def _reading(path: Path) -> AbstractContextManager[None]:
    return library_errors(f"{path} is missing, cut short or overwritten", "Make the store again.", CorruptFile)
