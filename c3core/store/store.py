"""A store: embeddings on disk with their ids and where they came from, read without ever holding all rows.

A folder of Parquet shards (`id`, `source`, `embedding`, `norm`), the manifest `store.json`, and `errors.jsonl` with the
inputs that gave no embedding. Other tools read the shards as they are:
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

from c3core.errors import C3Error, CorruptFile, WrongCall, near
from c3core.io.layout import STORE
from c3core.statistics.moments import NEEDS, SAMPLE_SIZE, Moments
from c3core.store.manifest import StoreManifest
from c3core.store.pairing import common_table, paired_by_row
from c3core.store.shard import (
    COLUMNS,
    InputRange,
    StoreBatch,
    floats,
    read_batches,
    read_footer,
    read_group,
    read_span,
    shard_name,
    to_batch,
)
from c3core.store.writer import ERRORS, SHARD_ROWS, UNIT, StoreWriter

__all__ = ["Store", "StoreBatch", "StoreWriter", "join"]

BATCH_ROWS = 4096
BUFFER_ROWS = 65536  # rows that shuffling holds: 134 MB at 512 dimensions


class Store:
    """A complete store, opened for reading. `len` is its number of rows, `bad` that of the inputs that gave none.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> unit = torch.nn.functional.normalize(torch.randn(100, 8), dim=-1)
    >>> store = Store.from_embeddings(folder, unit, space="s", modality="text", fingerprint="f")
    >>> len(store), store.dim, torch.equal(store.embeddings(), unit)
    (100, 8, True)
    """

    def __init__(self, folder: Path, manifest: StoreManifest, groups: Sequence[int]) -> None:
        # Of each shard only the number of its row groups is held: the footer has the bad inputs, which may be many.
        self.folder, self._manifest, self._groups = folder, manifest, groups
        self.space, self.modality = manifest.space, manifest.modality
        self.dim, self.fingerprint, self.bad = manifest.dim, manifest.fingerprint, manifest.bad

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a store. Raises `C3Error` for a folder that is none, is unfinished, or lacks a whole shard, by name."""
        folder = Path(folder)
        if not os.path.isfile(folder / STORE):
            raise WrongCall(f"{folder} is not a store: it has no {STORE}. `c3 embed` writes a store.")
        manifest = StoreManifest.read(folder)
        if not manifest.complete:
            raise C3Error(f"{folder} is an unfinished store. Run the same command again to finish it.")
        groups = []
        for index, rows in enumerate(manifest.shards):
            path = folder / shard_name(index)
            footer = read_footer(path)
            read_span(path, footer, manifest.encoding)
            if footer.num_rows != rows:
                raise CorruptFile(f"{path} has {footer.num_rows} rows, not {rows}. Make the store again.")
            groups.append(footer.num_row_groups)
        expected = {shard_name(index) for index in range(len(manifest.shards))}
        if extra := sorted(path.name for path in folder.glob("*.parquet") if path.name not in expected):
            raise CorruptFile(f"{folder / extra[0]} does not belong to this store. Take it out of the folder.")
        return cls(folder, manifest, groups)

    @classmethod
    def from_embeddings(
        cls,
        folder: str | Path,
        embeddings: Tensor,
        *,
        space: str,
        modality: str,
        fingerprint: str,
        ids: Sequence[str] | None = None,
        sources: Sequence[str] | None = None,
        norms: Tensor | None = None,
    ) -> Self:
        """Write a store of embeddings (n, dim) that exist already, and open it.

        Without `norms` (n,) they are normalised, and their norms kept. `ids` are the positions by default, `sources`
        the ids. Raises `C3Error` if the folder holds a store already, even an unfinished one.
        """
        if embeddings.ndim != 2:
            raise C3Error(f"embeddings must be of shape (n, dim), got {tuple(embeddings.shape)}.")
        embeddings = embeddings.detach().to("cpu", torch.float32)
        if norms is None:
            norms = embeddings.norm(dim=-1)
            unit = (norms - 1).abs() < UNIT / 10  # those stay as they are, to the last bit
            embeddings = torch.where(unit[:, None], embeddings, embeddings / norms[:, None].clamp_min(1e-12))
        ids = [str(position) for position in range(len(embeddings))] if ids is None else ids
        sources = ids if sources is None else sources
        with closing(
            StoreWriter(folder, space=space, modality=modality, dim=embeddings.shape[1], fingerprint=fingerprint)
        ) as writer:
            if writer.resume_at:
                raise C3Error(f"{folder} holds a store already. Choose another folder, or delete it.")
            mark = 0
            for start in range(0, max(len(embeddings), len(ids), len(sources), len(norms)), SHARD_ROWS):
                piece = slice(start, start + SHARD_ROWS)
                mark = crc32("\0".join([*ids[piece], *sources[piece]]).encode(errors="backslashreplace"), mark)
                mark = crc32(embeddings[piece].contiguous().numpy().data, mark)
                writer.append(ids[piece], sources[piece], embeddings[piece], norms[piece], mark=str(mark))
            writer.finish()
        return cls.open(folder)

    def __len__(self) -> int:
        return self._manifest.rows

    @property
    def mark(self) -> str:
        """Tells stores of different inputs apart: how many there were, and a checksum of them."""
        return f"{self._manifest.consumed}-{self._manifest.mark}"

    def __repr__(self) -> str:
        shape = f"rows={len(self)}, dim={self.dim}"
        return f"Store({str(self.folder)!r}, {shape}, space={self.space!r}, modality={self.modality!r})"

    # ---- reading

    def batches(self, batch_size: int = BATCH_ROWS, *, columns: Sequence[str] = COLUMNS) -> Iterator[StoreBatch]:
        """All rows in order, at most `batch_size` at a time (fewer at the end of a shard). Reads `columns` alone."""
        self._check_columns(columns)
        for path in self._shards():
            for rows in read_batches(path, columns, batch_size):
                yield to_batch(rows, self.dim)

    def shuffled(
        self,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        buffer: int = BUFFER_ROWS,
        columns: Sequence[str] = COLUMNS,
    ) -> Iterator[StoreBatch]:
        """Every row once, in an order that `seed` and `epoch` alone decide; `batch_size` at a time, fewer at the end.

        Row groups come in random order, and rows are shuffled within a buffer of about `buffer` rows: no more are held.
        """
        self._check_columns(columns)
        if batch_size < 1 or buffer < 1:
            raise C3Error("batch_size and buffer must be at least 1.")
        draw = np.random.default_rng([seed % 2**32, epoch])
        groups = [(at, group) for at, count in enumerate(self._groups) for group in range(count)]
        held: list[pa.Table] = []
        for place, number in enumerate(draw.permutation(len(groups)), start=1):
            at, group = groups[number]
            held.append(read_group(self.folder / shard_name(at), group, columns))
            last = place == len(groups)
            if last or sum(len(table) for table in held) >= max(buffer, batch_size):
                rows = pa.concat_tables(held).combine_chunks()
                order = draw.permutation(len(rows))
                whole = len(rows) if last else len(rows) - len(rows) % batch_size
                if whole:
                    yield from _picked(rows, self.dim, order[:whole], batch_size)
                held = [rows.take(pa.array(order[whole:]))]

    def embeddings(self) -> Tensor:
        """All embeddings as one tensor (n, dim) in memory, in order: for small stores."""
        whole, start = torch.empty(len(self), self.dim), 0
        for batch in self.batches(columns=("embedding",)):  # filled in place: no second copy is held
            whole[start : start + len(batch.embeddings)] = batch.embeddings
            start += len(batch.embeddings)
        return whole

    def sources(self) -> Iterator[str]:
        """Where each row came from, in order."""
        for batch in self.batches(columns=("source",)):
            yield from batch.sources

    def moments(self, needs: Iterable[str] = NEEDS, *, sample_size: int = SAMPLE_SIZE, seed: int = 0) -> Moments:
        """The statistics of the embeddings, in one pass; `sample_size` and `seed` are of the sample, where that is
        needed.
        """
        moments = Moments(self.dim, needs, sample_size=sample_size, seed=seed, fingerprint=self.fingerprint)
        for batch in self.batches(columns=("embedding", "norm")):
            moments.update(batch.embeddings, batch.norms)
        return moments

    def errors(self) -> Iterator[dict[str, str]]:
        """The inputs that gave no embedding: `id`, `source` and `why` of each, as `errors.jsonl` has them."""
        for path in self._shards():
            for bad in read_span(path, read_footer(path), self._manifest.encoding).bad:
                yield asdict(bad)

    def paired_with(self, other: Store) -> Iterator[tuple[Tensor, Tensor]] | None:
        """Batches of both stores' embeddings of the same rows, where both were made of one table (their ids say so);
        else None.

        Rows that one of them lacks are left out, which a warning counts.
        """
        table = common_table(self, other) if self.dim == other.dim else None
        return paired_by_row(self, other, table) if table else None

    def check(self) -> None:
        """Read everything and raise a `C3Error` that names the first file with something wrong in it.

        Verified: each page's checksum, rows and inputs against the manifest, unit embeddings, finite norms, the errors.
        """
        stop = bad = rows = 0
        for path in self._shards():
            footer = read_footer(path)
            span: InputRange = read_span(path, footer, self._manifest.encoding)
            if span.start != stop or span.stop - span.start < footer.num_rows + len(span.bad):
                raise CorruptFile(f"{path} does not follow the shard before it. Make the store again.")
            stop, bad = span.stop, bad + len(span.bad)
            for found in read_batches(path, COLUMNS, BATCH_ROWS, verify=True):
                batch = to_batch(found, self.dim)
                unit = (batch.embeddings.norm(dim=-1) - 1).abs() <= UNIT  # false for NaN
                wrong = ~unit | ~torch.isfinite(batch.norms)
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
        if listed != list(self.errors()):
            raise CorruptFile(f"{self.folder / ERRORS} does not agree with the shards. Make the store again.")

    def _shards(self) -> Iterator[Path]:
        return (self.folder / shard_name(index) for index in range(len(self._groups)))

    @staticmethod
    def _check_columns(columns: Sequence[str]) -> None:
        for name in columns:
            if name not in COLUMNS:
                raise WrongCall(f"a store has no column {name!r}: {near(name, COLUMNS)}")


def join(stores: Sequence[Store], out: str | Path) -> Store:
    """One store of the rows of several, in order. All must be of one encoder; a `C3Error` says what differs."""
    if not stores:
        raise C3Error("no stores to join. Name at least one.")
    first = stores[0]._manifest.encoding
    for store in stores[1:]:
        if store._manifest.encoding != first:
            raise C3Error(f"{store.folder} and {stores[0].folder} are of different encoders: they cannot be joined.")
    with closing(StoreWriter(out, **asdict(first))) as writer:
        if writer.complete:
            raise C3Error(f"{out} holds a complete store already. Choose another folder, or delete it.")
        stop, mark = 0, 0
        for store in stores:
            for path in store._shards():
                footer = read_footer(path)
                span = read_span(path, footer, first)
                start, stop = stop, stop + span.stop - span.start
                mark = crc32(f"{span.mark} {footer.num_rows}".encode(), mark)
                if start < writer.resume_at:  # an earlier run that was killed has joined this shard
                    if stop > writer.resume_at or (stop == writer.resume_at and str(mark) != writer.resume_mark):
                        raise C3Error(
                            f"{out} holds an unfinished store of other rows. Choose another folder, or delete it."
                        )
                    continue
                parts = [to_batch(rows, first.dim) for rows in read_batches(path, COLUMNS, BATCH_ROWS)]
                writer.append(
                    [name for part in parts for name in part.ids],
                    [source for part in parts for source in part.sources],
                    torch.cat([torch.zeros(0, first.dim), *(part.embeddings for part in parts)]),
                    torch.cat([torch.zeros(0), *(part.norms for part in parts)]),
                    bad=span.bad,
                    consumed=stop - start,
                    mark=str(mark),
                )
        if stop < writer.resume_at:
            raise C3Error(f"{out} holds an unfinished store of other rows. Choose another folder, or delete it.")
        writer.finish()
    return Store.open(out)


def _picked(rows: pa.Table, dim: int, order: Any, batch_size: int) -> Iterator[StoreBatch]:
    """The rows at the positions `order`, in batches. Torch picks the numbers: it is much faster at it than Arrow."""
    columns = {name: rows.column(name) for name in rows.schema.names}
    places = pa.array(order)
    ids = columns["id"].take(places).to_pylist() if "id" in columns else []
    sources = columns["source"].take(places).to_pylist() if "source" in columns else []
    embeddings = floats(columns["embedding"].chunk(0) if "embedding" in columns else (), dim)
    norms = floats(columns["norm"].chunk(0) if "norm" in columns else ())
    for start in range(0, len(order), batch_size):
        chosen = slice(start, start + batch_size)
        at = torch.from_numpy(order[chosen])
        yield StoreBatch(
            ids[chosen],
            sources[chosen],
            embeddings[at] if len(embeddings) else embeddings,
            norms[at] if len(norms) else norms,
        )
