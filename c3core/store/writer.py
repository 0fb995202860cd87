"""Writing a store: a kill at any moment loses at most the shard in memory, and the same work again goes on after it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from c3core.errors import C3Error, CorruptFile, WrongCall
from c3core.io.files import atomic_write, write_json
from c3core.io.layout import STORE
from c3core.store.manifest import StoreManifest
from c3core.store.shard import (
    COLUMNS,
    BadInput,
    EncoderInfo,
    InputRange,
    StoreBatch,
    read_batches,
    read_footer,
    read_span,
    shard_name,
    storable,
    to_batch,
    write_shard,
)

ERRORS = "errors.jsonl"
LEFT_BEHIND = (".shard-*.tmp.parquet", ".store.*.tmp.json", ".errors.*.tmp.jsonl")  # by a run that was killed
LOCK = ".lock"  # held by the process that writes
SHARD_ROWS = 16384  # inputs a shard: 34 MB at 512 dimensions, and what a kill can lose
BAD_TEXT = 4 << 20  # characters about bad inputs that a shard holds: a Parquet reader refuses too long a footer
UNIT = 1e-3  # how far from one the norm of a unit embedding may be


@dataclass(frozen=True)
class _Piece:
    """What one `append` brought."""

    rows: StoreBatch
    bad: Sequence[BadInput]
    stop: int  # inputs consumed since the beginning
    mark: str

    @cached_property
    def said(self) -> int:
        """Characters about its bad inputs."""
        return sum(len(item.id) + len(item.source) + len(item.why) for item in self.bad)


@dataclass(frozen=True)
class _Written:
    """The shards on disk, and the one that fills in memory: one object, so that an interrupt sees no half flush."""

    shards: tuple[int, ...] = ()  # rows of each
    bad: int = 0
    consumed: int = 0
    mark: str = ""
    pieces: list[_Piece] = field(default_factory=list)


class StoreWriter:
    """Writes a store shard by shard.

    `append` what each batch of inputs gave, then `finish`. A folder that holds an unfinished store of the same encoder
    is continued: `resume_at` inputs are in it already, leave them out. `complete` says that the folder's store is
    finished: nothing can be appended. Raises `C3Error` for a folder of another encoder's store or of other things.

    >>> import tempfile
    >>> writer = StoreWriter(tempfile.mkdtemp(), space="s", modality="text", dim=2, fingerprint="f")
    >>> writer.append(["1"], ["a red cube"], torch.tensor([[0.6, 0.8]]), torch.ones(1))
    >>> writer.finish()
    >>> writer.rows, writer.complete
    (1, True)
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        space: str,
        modality: str,
        dim: int,
        fingerprint: str,
        precision: str = "float32",
        shard_rows: int = SHARD_ROWS,
    ) -> None:
        if dim < 1 or shard_rows < 1:
            raise WrongCall("a store needs a dimension and shard_rows of at least 1.")
        self.folder, self.shard_rows = Path(folder), shard_rows
        self.encoding = EncoderInfo(space, modality, dim, fingerprint, precision)
        self.complete = False
        self._written = _Written()
        self._lock = FileLock(self.folder / LOCK, blocking=False)
        try:
            self._open()
        except C3Error:
            self.close()  # whoever keeps the error keeps the writer, too
            raise
        except Timeout:
            raise C3Error(f"another process is writing {self.folder}. Wait for it, or choose another folder.") from None
        except OSError as error:
            self.close()
            raise C3Error(
                f"cannot write {self.folder}: {error.strerror}. Choose another folder for the store."
            ) from error
        done = self._written
        last = done.pieces[-1] if done.pieces else None
        self.resume_at, self.resume_mark = (last.stop, last.mark) if last else (done.consumed, done.mark)

    @property
    def rows(self) -> int:
        """Rows so far, in memory or on disk."""
        return sum(self._written.shards) + sum(len(piece.rows.ids) for piece in self._written.pieces)

    @property
    def bad(self) -> int:
        """Bad inputs so far."""
        return self._written.bad + sum(len(piece.bad) for piece in self._written.pieces)

    def append(
        self,
        ids: Sequence[str],
        sources: Sequence[str],
        embeddings: Tensor,
        norms: Tensor,
        *,
        bad: Sequence[BadInput] = (),
        consumed: int | None = None,
        mark: str = "",
    ) -> None:
        """Take in the n rows and the bad ones that the next `consumed` inputs gave (by default one input each).

        `embeddings` (n, dim) must be of unit norm, `norms` (n,) are those before normalising. `mark` is a checksum of
        all inputs so far, which comes back as `resume_mark`. What is refused with a `C3Error` leaves no trace.
        """
        if self.complete:
            raise C3Error(f"{self.folder} already holds a complete store. Choose another folder, or delete it.")
        rows = StoreBatch(
            [storable(text) for text in ids],
            [storable(text) for text in sources],
            embeddings.detach().to("cpu", torch.float32),
            norms.detach().to("cpu", torch.float32),
        )
        self._refuse_wrong(rows)
        count = len(rows.ids) + len(bad) if consumed is None else consumed
        short = [BadInput(*(storable(text)[:500] for text in (item.id, item.source, item.why))) for item in bad]
        done = self._written
        stop = (done.pieces[-1].stop if done.pieces else done.consumed) + count
        done.pieces.append(_Piece(rows, short, stop, mark))
        if stop - done.consumed >= self.shard_rows or sum(piece.said for piece in done.pieces) > BAD_TEXT:
            self.flush()

    def close(self) -> None:
        """Let other processes write the folder. What is in memory alone is not written: see `flush`."""
        self._lock.release()

    def flush(self) -> None:
        """Write what is in memory as a shard, even if that makes it a short one."""
        done = self._written
        if not done.pieces:
            return
        rows = StoreBatch(
            [text for piece in done.pieces for text in piece.rows.ids],
            [text for piece in done.pieces for text in piece.rows.sources],
            torch.cat([piece.rows.embeddings for piece in done.pieces]),
            torch.cat([piece.rows.norms for piece in done.pieces]),
        )
        bad = [item for piece in done.pieces for item in piece.bad]
        stop, mark = done.pieces[-1].stop, done.pieces[-1].mark
        path = self.folder / shard_name(len(done.shards))
        write_shard(path, self.encoding, InputRange(done.consumed, stop, mark, bad), rows)
        self._written = _Written((*done.shards, len(rows.ids)), done.bad + len(bad), stop, mark)

    def finish(self) -> None:
        """Write the rest and mark the store as complete."""
        self.flush()
        self._write_errors()
        done = self._written
        figures = {"rows": sum(done.shards), "bad": done.bad, "consumed": done.consumed, "mark": done.mark}
        self._write_manifest(complete=True, shards=done.shards, **figures)
        self.complete = True
        self.close()

    def discard(self) -> None:
        """Remove the shards and the manifest, so that the same work starts anew; `errors.jsonl` stays to be read."""
        self.flush()
        self._write_errors()
        for index in reversed(range(len(self._written.shards))):
            (self.folder / shard_name(index)).unlink()
        (self.folder / STORE).unlink()
        self._written = _Written()
        self.close()
        (self.folder / LOCK).unlink(missing_ok=True)

    # ---- what is on disk

    def _open(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise WrongCall(f"{self.folder} is a file. Choose another folder for the store.")
        begun = (self.folder / STORE).exists()
        if begun and StoreManifest.read(self.folder).complete:
            self._resume()  # nothing is to be written, so that it may stand where nothing can be
            return
        if not begun:
            self._refuse_other_things()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        for pattern in LEFT_BEHIND:
            for left in self.folder.glob(pattern):
                left.unlink(missing_ok=True)
        if (self.folder / STORE).exists():
            self._resume()
        else:
            self._write_manifest()

    def _refuse_other_things(self) -> None:
        found = sorted(p.name for p in self.folder.iterdir() if p.name != ERRORS) if self.folder.exists() else []
        if visible := [name for name in found if not name.startswith(".")]:
            raise WrongCall(f"{self.folder} is not empty ({visible[0]}) and holds no store. Choose another folder.")

    def _resume(self) -> None:
        manifest = StoreManifest.read(self.folder)
        ours, theirs = self.encoding, manifest.encoding
        counted = [one.name for one in fields(EncoderInfo) if one.compare]
        differ = [f"{name} {getattr(theirs, name)}" for name in counted if getattr(theirs, name) != getattr(ours, name)]
        if differ:
            raise WrongCall(
                f"{self.folder} is a store of another encoder ({', '.join(differ)}). Choose another folder."
            )
        if manifest.complete:
            self.complete = True
            self._written = _Written(tuple(manifest.shards), manifest.bad, manifest.consumed, manifest.mark)
            return
        shards, bad, last = [], 0, InputRange(0, 0, "", [])
        for rows, span in self._spans():
            shards.append(rows)
            bad, last = bad + len(span.bad), span
        self._written = _Written(tuple(shards), bad, last.stop, last.mark)
        if 0 < last.stop - last.start < self.shard_rows:
            self._take_up(last)

    def _take_up(self, span: InputRange) -> None:
        """Take the last shard, which an interrupt cut short, back into memory: filled up, it is what it would have been
        without.
        """
        *shards, _ = self._written.shards
        found = read_batches(self.folder / shard_name(len(shards)), COLUMNS, self.shard_rows)
        parts = [to_batch(rows, self.encoding.dim) for rows in found]
        rows = StoreBatch(
            [text for part in parts for text in part.ids],
            [text for part in parts for text in part.sources],
            torch.cat([torch.zeros(0, self.encoding.dim), *(part.embeddings for part in parts)]),
            torch.cat([torch.zeros(0), *(part.norms for part in parts)]),
        )
        piece = _Piece(rows, span.bad, span.stop, span.mark)
        if piece.said <= BAD_TEXT:  # or it is short because it was full of these
            bad = self._written.bad - len(span.bad)
            self._written = _Written(tuple(shards), bad, span.start, pieces=[piece])

    def _spans(self) -> Iterator[tuple[int, InputRange]]:
        """Rows and span of each shard on disk. Each must begin where the one before ends."""
        stop = 0
        for index, path in enumerate(sorted(self.folder.glob("shard-*.parquet"))):
            if path.name != shard_name(index):
                raise CorruptFile(
                    f"{self.folder / shard_name(index)} is missing. Put it back, or make the store again."
                )
            footer = read_footer(path)
            span = read_span(path, footer, self.encoding)
            if span.start != stop:
                raise CorruptFile(f"{path} does not follow the shard before it. Make the store again.")
            stop = span.stop
            yield footer.num_rows, span

    def _write_errors(self) -> None:
        with atomic_write(self.folder / ERRORS) as temporary, open(temporary, "w", encoding="utf-8") as handle:
            for _, span in self._spans() if self._written.bad else ():
                handle.writelines(json.dumps(asdict(bad), ensure_ascii=False) + "\n" for bad in span.bad)

    def _write_manifest(self, **figures: Any) -> None:
        manifest = StoreManifest.model_validate({**asdict(self.encoding), **figures})
        write_json(self.folder / STORE, manifest.model_dump())

    def _refuse_wrong(self, rows: StoreBatch) -> None:
        count, dim = len(rows.ids), self.encoding.dim
        if rows.embeddings.shape != (count, dim) or rows.norms.shape != (count,) or len(rows.sources) != count:
            shapes = f"embeddings {tuple(rows.embeddings.shape)} and norms {tuple(rows.norms.shape)}"
            expected = f"The store takes n sources, embeddings (n, {dim}) and norms (n,)."
            raise C3Error(f"{count} ids came with {len(rows.sources)} sources, {shapes}. {expected}")
        lengths = rows.embeddings.norm(dim=-1)
        finite = torch.isfinite(lengths) & torch.isfinite(rows.norms)
        if not finite.all():
            name = rows.ids[int((~finite).nonzero()[0])]
            raise C3Error(f"the embedding of {name} holds NaN or infinite values. Leave that item out.")
        if (off := (lengths - 1).abs() > UNIT).any():
            at = int(off.nonzero()[0])
            if not lengths[at]:
                raise C3Error(f"the embedding of {rows.ids[at]} is zero, which has no direction. Leave that item out.")
            raise C3Error(f"the embedding of {rows.ids[at]} has norm {lengths[at]:.4g}, not 1. Normalise it first.")
