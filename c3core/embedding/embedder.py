"""Embed a stream of sources into a store. The same call continues after a kill."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from c3core.contracts import BadItem, Encoder, name_of
from c3core.contracts.encoder import embed_valid
from c3core.contracts.reader import summarize_bad
from c3core.data.fingerprint import source_checksum
from c3core.data.items import named
from c3core.data.sources import Source
from c3core.embedding.workers import PATIENCE, Read, read_batches
from c3core.errors import C3Error, WrongCall
from c3core.runtime.progress import progress_bar
from c3core.store.shard import BadInput, EncoderInfo, StoreBatch
from c3core.store.store import Store
from c3core.store.writer import ERRORS, SHARD_ROWS, StoreWriter

BROKEN = 32  # items refused in a row: then the encoder is broken, not the items


def embed(
    encoder: Encoder,
    sources: Iterable[Any],
    out: str | Path,
    *,
    batch_size: int = 64,
    workers: int = 0,
    shard_rows: int = SHARD_ROWS,
    patience: float = PATIENCE,
    total: int | None = None,
    quiet: bool = False,
) -> Store:
    """Embed sources into the store `out`, in order, in memory that does not grow with their number.

    Sources are paths, sentences, arrays (the same object again is taken for the same source), or `Source`s with an id.
    `workers` processes read them (0: this process), and give up a source after `patience` seconds. Device and precision
    are the encoder's. A shard is written every `shard_rows` sources. `total` is only for the progress.

    After a kill the same call continues with the first source that is not on disk; on a complete store it embeds
    nothing. Sources that cannot be read are in the store's `errors()`. Raises `C3Error` if no source gave an embedding,
    if the folder holds a store of other sources or another encoder, or if a file of an embedded source was changed.
    """
    if batch_size < 1 or workers < 0:
        raise WrongCall(f"batch_size must be at least 1 and workers 0 or more, got {batch_size} and {workers}.")

    def embed_batches(stream: Iterator[Source], _: int) -> Generator[Embedded, None, None]:
        embedder = Embedder(encoder)
        reading = read_batches(encoder.reader(), stream, batch_size=batch_size, workers=workers, patience=patience)
        with closing(reading) as batches:
            yield from map(embedder, batches)

    info = EncoderInfo.of(encoder)
    return write_store(out, info, sources, embed_batches, shard_rows=shard_rows, total=total, quiet=quiet)


@dataclass(frozen=True)
class Embedded:
    """The result of a batch of sources: the rows of the good ones and the bad ones, both in order."""

    sources: list[Source]
    rows: StoreBatch
    bad: list[BadInput]


class Embedder:
    """Embeds batches of items. Items that the encoder refuses are bad; an encoder that refuses many in a row is broken.

    Raises `C3Error` for a broken encoder.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.refused_in_a_row = 0

    def __call__(self, read: Read) -> Embedded:
        """Embed the items of runs of equal sources."""
        why = {at: item.why for at, (_, item) in enumerate(read) if isinstance(item, BadItem)}
        good = [at for at in range(len(read)) if at not in why]
        embeddings, norms, refused = embed_valid(self.encoder, [read[at][1] for at in good])
        for place in range(len(good)):
            self.refused_in_a_row = self.refused_in_a_row + 1 if place in refused else 0
            if self.refused_in_a_row >= BROKEN:
                raise C3Error(f"the encoder failed on {BROKEN} items in a row ({refused[place]}). Fix it and go on.")
        why |= {good[place]: reason for place, reason in refused.items()}
        every = [(at, source) for at, (run, _) in enumerate(read) for source in run]
        kept = [(at, source) for at, source in every if at not in why]
        row_of = {at: row for row, at in enumerate(dict.fromkeys(at for at, _ in kept))}
        rows = [row_of[at] for at, _ in kept]
        names = [source.id for _, source in kept], [name_of(source.source) for _, source in kept]
        bad = [BadInput(source.id, name_of(source.source), why[at]) for at, source in every if at in why]
        return Embedded([source for _, source in every], StoreBatch(*names, embeddings[rows], norms[rows]), bad)


def write_store(
    out: str | Path,
    encoder: EncoderInfo,
    sources: Iterable[Any],
    embed_batches: Callable[[Iterator[Source], int], Generator[Embedded, None, None]],
    *,
    shard_rows: int = SHARD_ROWS,
    total: int | None = None,
    quiet: bool = False,
) -> Store:
    """Write into the store `out` what `embed_batches` makes of the sources that are not in it yet.

    `embed_batches` gets the stream of these and the number of sources before it; it yields batches in order.
    """
    stream = named(sources)
    # Close the writer in any case: a stored traceback would keep the lock.
    with closing(StoreWriter(out, encoder, shard_rows=shard_rows)) as writer:
        if total is None and not quiet:
            total = len(sources) if isinstance(sources, Sized) else None
        checksum = _skip_written(stream, writer)
        if writer.complete:
            if next(stream, None) is not None:
                raise WrongCall(f"{out} is a complete store of fewer inputs than these. Choose another folder.")
            return Store.open(out)
        try:
            with (
                progress_bar(f"embedding {encoder.modality}", total=total, done=writer.resume_at, quiet=quiet) as bar,
                closing(embed_batches(stream, writer.resume_at)) as batches,
            ):
                for batch in batches:
                    for source in batch.sources:
                        checksum = source_checksum(source, checksum)
                    consumed = len(batch.sources)
                    writer.append(batch.rows, bad=batch.bad, consumed=consumed, checksum=str(checksum))
                    bar.advance(consumed, **({"bad": writer.bad} if writer.bad else {}))
        except BaseException as error:
            writer.flush()  # keep the whole batches, whatever went wrong
            if isinstance(error, KeyboardInterrupt):
                kept = f"{writer.rows + writer.bad:,} inputs are in {out}"
                error.args = (f"interrupted: {kept}. Run the same command again to continue.",)
            raise
        if not writer.rows:
            raise _nothing_embedded(writer)
        writer.finish()
    return Store.open(out)


def _skip_written(stream: Iterator[Source], writer: StoreWriter) -> int:
    """Skip the inputs that are on disk, and return their checksum. Raises `WrongCall` if these are other inputs."""
    checksum = count = 0
    for source in islice(stream, writer.resume_at):
        checksum, count = source_checksum(source, checksum), count + 1
    if count < writer.resume_at or (count and str(checksum) != writer.resume_checksum):
        raise WrongCall(f"{writer.folder} was made of other inputs, or a file was changed. Choose another folder.")
    return checksum


def _nothing_embedded(writer: StoreWriter) -> C3Error:
    """The error of a run without a single embedding. Leaves the folder with only the reasons in it."""
    if not writer.bad:
        writer.discard()
        return WrongCall("there were no inputs to embed. Name at least one.")
    writer.flush()
    count, reasons = writer.bad, summarize_bad(writer.errors(), writer.bad)
    writer.discard()
    return C3Error(f"none of {count} inputs could be embedded: {reasons}. All are listed in {writer.folder / ERRORS}.")
