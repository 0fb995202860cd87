"""Read a store: embeddings on disk with their ids and sources, never held in memory as a whole.

A store is a folder of Parquet shards (`id`, `source`, `embedding`, `norm`), the manifest `store.json`, and
`errors.jsonl` with the inputs that gave no embedding. Other tools read the shards as they are:
`pandas.read_parquet(sorted(glob("store/*.parquet")))`, `polars.read_parquet("store/*.parquet")`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from zlib import crc32

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from c3core.contracts import Encoded
from c3core.errors import C3Error, CorruptFile, NotInstalled, WrongCall, near
from c3core.io.layout import STORE, path_of
from c3core.io.validation import by_position
from c3core.statistics.moments import NEEDS, SAMPLE_SIZE, Moments, as_rows
from c3core.statistics.unit_norm import is_unit, normalized
from c3core.store.pairing import PairedRows, paired_rows
from c3core.store.shard import (
    COLUMNS,
    BadInput,
    EncoderInfo,
    StoreBatch,
    StoreManifest,
    read_batches,
    read_group,
    read_shards,
    shard_name,
    to_batch,
)
from c3core.store.writer import ERRORS, SHARD_ROWS, StoreWriter

BATCH_ROWS = 4096
BUFFER_ROWS = 65536  # rows held while shuffling: 134 MB at 512 dimensions


class Store:
    """A complete store, open for reading. `len` is its number of rows, `bad` that of the inputs without an embedding.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> unit = torch.nn.functional.normalize(torch.randn(100, 8), dim=-1)
    >>> store = Store.from_embeddings(folder, unit, space="s", modality="text", fingerprint="f")
    >>> len(store), store.dim, torch.equal(store.embeddings(), unit)
    (100, 8, True)
    """

    def __init__(self, folder: Path, manifest: StoreManifest, groups: Sequence[int]) -> None:
        # Hold only the number of row groups of each shard: a footer may list many bad inputs.
        self.folder, self._manifest, self._groups = folder, manifest, groups
        self.encoder, self.bad = manifest.encoder, manifest.bad
        self.space, self.modality = self.encoder.space, self.encoder.modality
        self.dim, self.fingerprint = self.encoder.dim, self.encoder.fingerprint

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a store. Raises `C3Error` if the folder is no store, or an unfinished one, or lacks a shard."""
        folder = path_of(folder)
        if not os.path.isfile(folder / STORE):
            raise WrongCall(f"{folder} is not a store: it has no {STORE}. `c3 embed` writes a store.")
        manifest = StoreManifest.read(folder)
        if not manifest.complete:
            raise C3Error(f"{folder} is an unfinished store. Run the `c3 embed` or the training that began it again.")
        expected = {shard_name(index): rows for index, rows in enumerate(manifest.shards)}
        if extra := sorted(path.name for path in folder.glob("*.parquet") if path.name not in expected):
            raise CorruptFile(f"{folder / extra[0]} does not belong to this store. Take it out of the folder.")
        found = {path.name: footer for path, footer, _ in read_shards(folder, manifest.encoder)}
        for name, rows in expected.items():
            if name not in found:
                raise CorruptFile(f"{folder / name} is missing. Put it back, or make the store again.")
            if found[name].num_rows != rows:
                raise CorruptFile(f"{folder / name} has {found[name].num_rows} rows, not {rows}. Make the store again.")
        return cls(folder, manifest, [footer.num_row_groups for footer in found.values()])

    @classmethod
    def from_embeddings(
        cls,
        folder: str | Path,
        embeddings: Any,
        *,
        space: str,
        modality: str,
        fingerprint: str,
        ids: Iterable[Any] | None = None,
        sources: Iterable[Any] | None = None,
        norms: Tensor | None = None,
    ) -> Self:
        """Write a store of embeddings (n, dim), a tensor or an array, and open it.

        Without `norms` (n,) the embeddings are normalized, and the norms that they had are stored. `ids` are the
        positions by default, `sources` the ids; both are taken by position and stored as text. Raises `C3Error` if the
        folder holds a store already, even an unfinished one, and for a row that is zero, NaN or infinite.
        """
        embeddings = as_rows(embeddings).detach().to("cpu", torch.float32)
        if norms is None:
            embeddings, norms = normalized(embeddings)
        names = [str(name) for name in (range(len(embeddings)) if ids is None else by_position(ids, "ids"))]
        origins = names if sources is None else [str(source) for source in by_position(sources, "sources")]
        encoder = EncoderInfo(space, modality, embeddings.shape[1], fingerprint)
        with closing(StoreWriter(folder, encoder)) as writer:
            if writer.resume_at:
                raise C3Error(f"{folder} holds a store already. Choose another folder, or delete it.")
            checksum = 0
            for start in range(0, max(len(embeddings), len(names), len(origins), len(norms)), SHARD_ROWS):
                piece = slice(start, start + SHARD_ROWS)
                text = "\0".join([*names[piece], *origins[piece]])
                checksum = crc32(text.encode(errors="backslashreplace"), checksum)
                checksum = crc32(embeddings[piece].contiguous().numpy().data, checksum)
                rows = StoreBatch(names[piece], origins[piece], embeddings[piece], norms[piece])
                writer.append(rows, checksum=str(checksum))
            writer.finish()
        return cls.open(folder)

    def __len__(self) -> int:
        return self._manifest.rows

    @property
    def checksum(self) -> str:
        """The number and a checksum of the inputs, which tell two stores of one encoder apart."""
        return f"{self._manifest.consumed}-{self._manifest.checksum}"

    def __repr__(self) -> str:
        shape = f"rows={len(self)}, dim={self.dim}"
        return f"Store({str(self.folder)!r}, {shape}, space={self.space!r}, modality={self.modality!r})"

    # ---- reading

    def batches(self, batch_size: int = BATCH_ROWS, *, columns: Sequence[str] = COLUMNS) -> Iterator[StoreBatch]:
        """All rows in order, at most `batch_size` at a time (fewer at the end of a shard). Reads only `columns`."""
        for name in columns:
            if name not in COLUMNS:
                raise WrongCall(f"a store has no column {name!r}: {near(name, COLUMNS)}")
        for index in range(len(self._groups)):
            yield from read_batches(self.folder / shard_name(index), columns, self.dim, batch_size)

    def encoded(self, batch_size: int, *, start: int = 0) -> Iterator[Encoded]:
        """The rows from row `start` on, in batches, as an encoder gives them. Positions count from there."""
        seen = 0
        for rows in self.batches(batch_size):
            count = len(rows.norms)
            before = min(max(start - seen, 0), count)
            index = range(seen + before - start, seen + count - start)
            seen += count
            if index:
                embeddings, norms = rows.embeddings[before:], rows.norms[before:]
                yield Encoded([*index], embeddings, norms, [], self.modality, self.fingerprint)

    def shuffled(
        self,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        buffer: int = BUFFER_ROWS,
    ) -> Iterator[StoreBatch]:
        """Every row once, `batch_size` at a time, in an order that depends only on `seed` and `epoch`.

        Row groups come in random order, and rows are shuffled within a buffer of about `buffer` rows. The last batch
        may be smaller.
        """
        if batch_size < 1 or buffer < 1:
            raise WrongCall("batch_size and buffer must be at least 1.")
        draw = np.random.default_rng([seed % 2**32, epoch])
        groups = [(at, group) for at, count in enumerate(self._groups) for group in range(count)]
        held: list[pa.Table] = []
        for place, number in enumerate(draw.permutation(len(groups)), start=1):
            at, group = groups[number]
            held.append(read_group(self.folder / shard_name(at), group))
            last = place == len(groups)
            if last or sum(len(table) for table in held) >= max(buffer, batch_size):
                table = pa.concat_tables(held).combine_chunks()
                order = draw.permutation(len(table))
                whole = len(table) if last else len(table) - len(table) % batch_size
                rows = to_batch(table.to_batches()[0], self.dim) if whole else None
                for start in range(0, whole, batch_size):
                    assert rows is not None
                    yield rows.take(order[start : min(start + batch_size, whole)])
                held = [table.take(pa.array(order[whole:]))]

    def embeddings(self) -> Tensor:
        """All embeddings as one tensor (n, dim) in memory, in order. Use it for small stores."""
        whole, start = torch.empty(len(self), self.dim), 0
        for batch in self.batches(columns=("embedding",)):  # fills the tensor in place, without a second copy
            whole[start : start + len(batch.embeddings)] = batch.embeddings
            start += len(batch.embeddings)
        return whole

    def sources(self) -> Iterator[str]:
        """The source of each row, in order."""
        for batch in self.batches(columns=("source",)):
            yield from batch.sources

    def to_dataset(self) -> Any:
        """The rows as a `datasets.Dataset`: `id`, `source`, `embedding` (a list of dim float32) and `norm`.

        The shards are converted once, in the cache of `datasets`, whose file is mapped into memory. Raises
        `NotInstalled` without datasets, and `WrongCall` for a store without rows.
        """
        if not len(self):
            raise WrongCall(f"{self.folder} has no rows to make a data set of.")
        try:
            from datasets import Dataset
        except ImportError:
            raise NotInstalled('datasets is not installed. Run: pip install "c3core[datasets]"') from None
        names = [shard_name(index) for index, _ in enumerate(self._groups)]
        return Dataset.from_parquet([str(self.folder / name) for name in names])

    def moments(self, needs: Iterable[str] = NEEDS, *, sample_size: int = SAMPLE_SIZE, seed: int = 0) -> Moments:
        """The statistics of the embeddings, in one pass; `sample_size` and `seed` are those of `Moments`."""
        moments = Moments(self.dim, needs, sample_size=sample_size, seed=seed)
        for batch in self.batches(columns=("embedding", "norm")):
            moments.update(batch.embeddings, batch.norms)
        return moments

    def errors(self) -> Iterator[BadInput]:
        """The inputs that gave no embedding, as `errors.jsonl` lists them."""
        for _, _, inputs in read_shards(self.folder, self.encoder):
            yield from inputs.bad

    def paired_with(self, other: Store) -> PairedRows | None:
        """The embeddings of this and the other store of the rows of one table that both have, with their numbers.

        None if the ids name no common table (`pairs.csv:17`). A warning gives the number of rows that are left out.
        """
        return paired_rows(self, other)

    def check(self) -> None:
        """Read everything. Raises a `C3Error` that names the first file with something wrong in it.

        Checks each page's checksum, rows and inputs against the manifest, unit embeddings, finite norms, the errors.
        """
        stop = bad = rows = 0
        for path, _, inputs in read_shards(self.folder, self.encoder):
            stop, bad = inputs.stop, bad + len(inputs.bad)
            for batch in read_batches(path, COLUMNS, self.dim, BATCH_ROWS, verify=True):
                wrong = ~is_unit(batch.embeddings.norm(dim=-1)) | ~torch.isfinite(batch.norms)
                if wrong.any():
                    name = batch.ids[int(wrong.nonzero()[0])]
                    raise CorruptFile(f"{path}: the embedding of {name} is not of unit norm or its norm not finite.")
                rows += len(batch.ids)
        if (rows, bad, stop) != (self._manifest.rows, self._manifest.bad, self._manifest.consumed):
            raise CorruptFile(f"{self.folder / STORE} does not agree with the shards. Make the store again.")
        try:
            lines = (self.folder / ERRORS).read_text(encoding="utf-8").split("\n")
            listed = [json.loads(line) for line in lines if line]
        except (OSError, ValueError) as error:
            raise CorruptFile(f"{self.folder / ERRORS} cannot be read ({error}). Make the store again.") from error
        if listed != [asdict(error) for error in self.errors()]:
            raise CorruptFile(f"{self.folder / ERRORS} does not agree with the shards. Make the store again.")


def join(stores: Iterable[Store], out: str | Path) -> Store:
    """Write the rows and errors of several stores of one encoder into a new store, in order.

    Raises `C3Error` if the encoders differ, or if `out` holds a store already, even an unfinished one.
    """
    stores = list(stores)
    if not stores:
        raise WrongCall("no stores to join. Name at least one.")
    encoder = stores[0].encoder
    for store in stores[1:]:
        if store.encoder != encoder:
            raise WrongCall(f"{store.folder} and {stores[0].folder} are of different encoders: they cannot be joined.")
    with closing(StoreWriter(out, encoder)) as writer:
        if writer.resume_at:
            raise WrongCall(f"{out} holds a store already. Choose another folder, or delete it.")
        checksum = 0
        for store in stores:
            for path, _, inputs in read_shards(store.folder, encoder):
                rows = StoreBatch.concat(read_batches(path, COLUMNS, store.dim, BATCH_ROWS), store.dim)
                checksum = crc32(f"{inputs.checksum} {len(rows.ids)}".encode(), checksum)
                consumed = inputs.stop - inputs.start
                writer.append(rows, bad=inputs.bad, consumed=consumed, checksum=str(checksum))
        writer.finish()
    return Store.open(out)
