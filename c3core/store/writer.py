"""Write a store shard by shard. A kill loses at most the shard in memory, and the same work continues after it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from c3core.errors import C3Error, WrongCall
from c3core.io.files import atomic_write, printable, write_error, write_json
from c3core.io.layout import STORE, path_of
from c3core.statistics.unit_norm import is_unit
from c3core.store.shard import (
    COLUMNS,
    BadInput,
    EncoderInfo,
    InputRange,
    StoreBatch,
    StoreManifest,
    read_batches,
    read_shards,
    shard_name,
    write_shard,
)

ERRORS = "errors.jsonl"
TEMPORARY = (".shard-*.tmp.parquet", ".store.*.tmp.json", ".errors.*.tmp.jsonl")  # left behind by a killed run
LOCK = ".lock"  # held by the process that writes
SHARD_ROWS = 16384  # inputs in a shard: 34 MB at 512 dimensions, and the most that a kill can lose
BAD_TEXT = 4 << 20  # characters about bad inputs in a shard: Parquet readers refuse a footer that is too long


@dataclass(frozen=True)
class _State:
    """The shards on disk, and the pieces of the next one in memory.

    It is replaced as one object, so that an interrupt never sees half of a flush.
    """

    shards: tuple[int, ...] = ()  # the rows of each
    bad: int = 0
    consumed: int = 0
    checksum: str = ""
    pieces: list[tuple[StoreBatch, InputRange]] = field(default_factory=list)


class StoreWriter:
    """Writes a store shard by shard.

    Call `append` for the rows of each batch of inputs, then `finish`. In a folder with an unfinished store of the same
    encoder the writer continues: leave out the first `resume_at` inputs. If the folder's store is `complete`, nothing
    can be appended. Raises `C3Error` for a folder with a store of another encoder, or with other files.

    >>> import tempfile
    >>> writer = StoreWriter(tempfile.mkdtemp(), EncoderInfo("s", "text", dim=2, fingerprint="f"))
    >>> writer.append(StoreBatch(["1"], ["a red cube"], torch.tensor([[0.6, 0.8]]), torch.ones(1)))
    >>> writer.finish()
    >>> writer.rows, writer.complete
    (1, True)
    """

    def __init__(self, folder: str | Path, encoder: EncoderInfo, *, shard_rows: int = SHARD_ROWS) -> None:
        if encoder.dim < 1 or shard_rows < 1:
            raise WrongCall("a store needs a dimension and shard_rows of at least 1.")
        self.folder, self.shard_rows = path_of(folder), shard_rows
        self.encoder = encoder
        self.complete = False
        self._state = _State()
        self._lock = FileLock(self.folder / LOCK, blocking=False)
        try:
            self._open()
        except C3Error:
            self.close()  # a stored traceback would keep the lock
            raise
        except Timeout:
            raise C3Error(f"another process is writing {self.folder}. Wait for it, or choose another folder.") from None
        except OSError as error:
            self.close()
            raise write_error(self.folder, error) from error
        pieces = self._state.pieces
        last = pieces[-1][1] if pieces else None
        self.resume_at = last.stop if last else self._state.consumed
        self.resume_checksum = last.checksum if last else self._state.checksum

    @property
    def rows(self) -> int:
        """The number of rows so far, in memory or on disk."""
        return sum(self._state.shards) + sum(len(rows.ids) for rows, _ in self._state.pieces)

    @property
    def bad(self) -> int:
        """The number of bad inputs so far."""
        return self._state.bad + sum(len(inputs.bad) for _, inputs in self._state.pieces)

    def append(
        self,
        rows: StoreBatch,
        *,
        bad: Sequence[BadInput] = (),
        consumed: int | None = None,
        checksum: str = "",
    ) -> None:
        """Add the rows and the bad inputs that the next `consumed` inputs gave (by default one input for each).

        The embeddings must be of unit norm; `norms` are the norms before normalizing. `checksum` is of all inputs so
        far, and comes back as `resume_checksum`. Raises `C3Error` for wrong rows, of which nothing is added.
        """
        if self.complete:
            raise C3Error(f"{self.folder} already holds a complete store. Choose another folder, or delete it.")
        rows = StoreBatch(
            [printable(text) for text in rows.ids],
            [printable(text) for text in rows.sources],
            rows.embeddings.detach().to("cpu", torch.float32),
            rows.norms.detach().to("cpu", torch.float32),
        )
        self._check(rows)
        state = self._state
        start = state.pieces[-1][1].stop if state.pieces else state.consumed
        stop = start + (len(rows.ids) + len(bad) if consumed is None else consumed)
        short = [BadInput(*(printable(text)[:500] for text in (item.id, item.source, item.why))) for item in bad]
        state.pieces.append((rows, InputRange(start, stop, checksum, short)))
        if stop - state.consumed >= self.shard_rows or sum(_length(inputs) for _, inputs in state.pieces) > BAD_TEXT:
            self.flush()

    def close(self) -> None:
        """Let other processes write the folder. Rows in memory are not written: see `flush`."""
        self._lock.release()

    def flush(self) -> None:
        """Write the rows in memory as a shard, even if it is a short one."""
        state = self._state
        if not state.pieces:
            return
        rows = StoreBatch.concat((rows for rows, _ in state.pieces), self.encoder.dim)
        bad = [item for _, inputs in state.pieces for item in inputs.bad]
        last = state.pieces[-1][1]
        inputs = InputRange(state.consumed, last.stop, last.checksum, bad)
        write_shard(self.folder / shard_name(len(state.shards)), self.encoder, inputs, rows)
        self._state = _State((*state.shards, len(rows.ids)), state.bad + len(bad), last.stop, last.checksum)

    def finish(self) -> None:
        """Write the rest and mark the store as complete."""
        self.flush()
        self._write_errors()
        state = self._state
        self._write_manifest(
            complete=True,
            rows=sum(state.shards),
            bad=state.bad,
            consumed=state.consumed,
            checksum=state.checksum,
            shards=state.shards,
        )
        self.complete = True
        self.close()

    def discard(self) -> None:
        """Remove the shards and the manifest, so that the same work can start anew; leave `errors.jsonl` to be read."""
        self.flush()
        self._write_errors()
        for index in reversed(range(len(self._state.shards))):
            (self.folder / shard_name(index)).unlink()
        (self.folder / STORE).unlink()
        self._state = _State()
        self.close()
        (self.folder / LOCK).unlink(missing_ok=True)

    def errors(self) -> Iterator[BadInput]:
        """The bad inputs of the shards on disk."""
        for _, _, inputs in read_shards(self.folder, self.encoder):
            yield from inputs.bad

    # ---- files

    def _open(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise WrongCall(f"{self.folder} is a file. Choose another folder for the store.")
        begun = (self.folder / STORE).exists()
        if begun and StoreManifest.read(self.folder).complete:
            self._resume()  # a complete store may be in a folder where nothing can be written
            return
        if not begun:
            self._refuse_other_files()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        for pattern in TEMPORARY:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        if (self.folder / STORE).exists():
            self._resume()
        else:
            self._write_manifest()

    def _refuse_other_files(self) -> None:
        found = sorted(p.name for p in self.folder.iterdir() if p.name != ERRORS) if self.folder.exists() else []
        if visible := [name for name in found if not name.startswith(".")]:
            raise WrongCall(f"{self.folder} is not empty ({visible[0]}) and holds no store. Choose another folder.")

    def _resume(self) -> None:
        manifest = StoreManifest.read(self.folder)
        ours, theirs = self.encoder, manifest.encoder
        compared = [one.name for one in fields(EncoderInfo) if one.compare]
        differ = [
            f"{name} {getattr(theirs, name)}" for name in compared if getattr(theirs, name) != getattr(ours, name)
        ]
        if differ:
            raise WrongCall(f"{self.folder} is a store of another encoder ({', '.join(differ)}). Take another folder.")
        if manifest.complete:
            self.complete = True
            self._state = _State(tuple(manifest.shards), manifest.bad, manifest.consumed, manifest.checksum)
            return
        shards, bad, last = [], 0, InputRange(0, 0, "", [])
        for _, footer, last in read_shards(self.folder, self.encoder):
            shards.append(footer.num_rows)
            bad += len(last.bad)
        self._state = _State(tuple(shards), bad, last.stop, last.checksum)
        if 0 < last.stop - last.start < self.shard_rows and _length(last) <= BAD_TEXT:
            # An interrupt cut the last shard short. Take it back into memory and fill it up.
            path = self.folder / shard_name(len(shards) - 1)
            batches = read_batches(path, COLUMNS, self.encoder.dim, self.shard_rows)
            piece = StoreBatch.concat(batches, self.encoder.dim), last
            self._state = _State(tuple(shards[:-1]), bad - len(last.bad), last.start, pieces=[piece])

    def _write_errors(self) -> None:
        with atomic_write(self.folder / ERRORS) as temporary, open(temporary, "w", encoding="utf-8") as handle:
            handle.writelines(json.dumps(asdict(bad), ensure_ascii=False) + "\n" for bad in self.errors())

    def _write_manifest(self, **numbers: Any) -> None:
        write_json(self.folder / STORE, StoreManifest(encoder=self.encoder, **numbers).model_dump())

    def _check(self, rows: StoreBatch) -> None:
        count, dim = len(rows.ids), self.encoder.dim
        if rows.embeddings.shape != (count, dim) or rows.norms.shape != (count,) or len(rows.sources) != count:
            shapes = f"embeddings {tuple(rows.embeddings.shape)} and norms {tuple(rows.norms.shape)}"
            expected = f"The store takes n sources, embeddings (n, {dim}) and norms (n,)."
            raise C3Error(f"{count} ids came with {len(rows.sources)} sources, {shapes}. {expected}")
        lengths = rows.embeddings.norm(dim=-1)
        for wrong, what in (
            (~torch.isfinite(lengths + rows.norms), "holds NaN or infinite values. Leave that item out"),
            (lengths == 0, "is zero, which has no direction. Leave that item out"),
            (~is_unit(lengths), "is not of unit norm. Normalize it first"),
        ):
            if wrong.any():
                raise C3Error(f"the embedding of {rows.ids[int(wrong.nonzero()[0])]} {what}.")


def _length(inputs: InputRange) -> int:
    """The number of characters about the bad inputs."""
    return sum(len(item.id) + len(item.source) + len(item.why) for item in inputs.bad)
