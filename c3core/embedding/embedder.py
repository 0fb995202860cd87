"""From sources to a store: read, embed, write shard by shard; the same call again goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from c3core.contracts import BadItem, Encoder, name_of
from c3core.contracts.encoder import embed_valid
from c3core.data.fingerprint import source_checksum
from c3core.data.sources import Source, Sources, named
from c3core.embedding.deduplicate import Repeats
from c3core.embedding.workers import PATIENCE, Read, read_batches
from c3core.errors import C3Error, WrongCall
from c3core.runtime.progress import progress_bar
from c3core.store.shard import BadInput, EncoderInfo
from c3core.store.store import Store
from c3core.store.writer import ERRORS, SHARD_ROWS, StoreWriter

BROKEN = 32  # items refused in a row that say that the encoder is broken, not the items


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
    """Embed a stream of sources into the store `out`, in order, in memory that does not grow with their number.

    Sources are paths, sentences, arrays (a new one each: the same object again is taken for the same source), or a
    `Source` with an id of its own.

    Sources are read in `workers` processes (0: in this one), where one that takes longer than `patience` seconds is
    given up; device and precision are the encoder's. A shard is written every `shard_rows` sources. `total` is for the
    progress alone. Bad sources stand in the store's `errors()`.

    The same call after a kill goes on with the first source that is not on disk; on a complete store it reads nothing.
    A `KeyboardInterrupt` says what is in the store. Raises `C3Error` if no source gave an embedding, if the folder
    holds other sources or another encoder's store, or if it cannot be written.
    """
    if batch_size < 1 or workers < 0:
        raise C3Error(f"batch_size must be at least 1 and workers 0 or more, got {batch_size} and {workers}.")
    encoding = EncoderInfo.of(encoder)

    def work(stream: Iterator[Source], _: int) -> Generator[Embedded, None, None]:
        embedder, distinct = Embedder(encoder), Repeats(stream)
        reading = read_batches(
            encoder.reader(), iter(distinct), batch_size=batch_size, workers=workers, patience=patience
        )
        with closing(reading) as batches:
            for read in batches:
                yield embedder(read).repeated(distinct.of(len(read)))

    return fill(out, encoding, sources, work, shard_rows=shard_rows, total=total, quiet=quiet)


@dataclass(frozen=True)
class Embedded:
    """What a batch of sources gave: `embeddings` (m, dim) of unit norm and `norms` (m,) of the good ones, in order, and
    why the others gave none, by position in `sources`.
    """

    sources: list[Source]
    embeddings: Tensor
    norms: Tensor
    why: dict[int, str]

    def repeated(self, runs: Sequence[Sequence[Source]]) -> Embedded:
        """The same of runs of sources, of which these are the first ones."""
        if all(len(run) == 1 for run in runs):
            return self
        good = [run for at, run in enumerate(runs) if at not in self.why]
        rows = [row for row, run in enumerate(good) for _ in run]
        why = [self.why.get(at) for at, run in enumerate(runs) for _ in run]
        return Embedded(
            [source for run in runs for source in run],
            self.embeddings[rows],
            self.norms[rows],
            {at: reason for at, reason in enumerate(why) if reason is not None},
        )


Work = Callable[[Iterator[Source], int], Generator[Embedded, None, None]]


def fill(
    out: str | Path,
    encoding: EncoderInfo,
    sources: Iterable[Any],
    work: Work,
    *,
    shard_rows: int = SHARD_ROWS,
    total: int | None = None,
    quiet: bool = False,
) -> Store:
    """Write into the store `out` what `work` makes of the sources that are not in it yet.

    `work` gets the stream of these and the number of those before it; it gives a batch after the other, in order.
    """
    stream = named(sources)
    # Closed whatever happens: who keeps an error keeps the writer in it, and the next writer would wait for that.
    with closing(StoreWriter(out, **asdict(encoding), shard_rows=shard_rows)) as writer:
        if total is None and not quiet:
            total = _total(sources)
        mark = _skip(stream, writer)
        if writer.complete:
            if next(stream, None) is not None:
                raise WrongCall(
                    f"{out} is a complete store of fewer inputs than these. Choose another folder, or delete it."
                )
            return Store.open(out)
        try:
            with (
                progress_bar(f"embedding {encoding.modality}", total=total, done=writer.resume_at, quiet=quiet) as bar,
                closing(work(stream, writer.resume_at)) as batches,
            ):
                for batch in batches:
                    for source in batch.sources:
                        mark = source_checksum(source, mark)
                    _append(writer, batch, mark)
                    bar.advance(len(batch.sources), **({"bad": writer.bad} if writer.bad else {}))
        except BaseException as error:
            writer.flush()  # what is whole is kept, whatever it was that went wrong
            if isinstance(error, KeyboardInterrupt):
                kept = f"{writer.rows + writer.bad:,} inputs are in {out}"
                error.args = (f"interrupted: {kept}. The same command again goes on from there.",)
            raise
        if not writer.rows:
            raise _nothing(writer)
        writer.finish()
    return Store.open(out)


def _append(writer: StoreWriter, batch: Embedded, mark: int) -> None:
    kept = [source for at, source in enumerate(batch.sources) if at not in batch.why]
    writer.append(
        [source.id for source in kept],
        [name_of(source.source) for source in kept],
        batch.embeddings,
        batch.norms,
        bad=[
            BadInput(batch.sources[at].id, name_of(batch.sources[at].source), batch.why[at]) for at in sorted(batch.why)
        ],
        consumed=len(batch.sources),
        mark=str(mark),
    )


def _total(sources: Iterable[Source | str]) -> int | None:
    if isinstance(sources, Sources):
        return sources.total()
    return len(sources) if isinstance(sources, Sized) else None


def _skip(stream: Iterator[Source], writer: StoreWriter) -> int:
    """Pass over the inputs that are on disk; gives their checksum. A `C3Error` says that they are not these."""
    mark = count = 0
    for source in islice(stream, writer.resume_at):
        mark, count = source_checksum(source, mark), count + 1
    if count < writer.resume_at or (count and str(mark) != writer.resume_mark):
        raise WrongCall(f"{writer.folder} was begun with other inputs than these. Choose another folder, or delete it.")
    return mark


class Embedder:
    """Embeds what was read. An item that the encoder refuses is bad; an encoder that refuses many is broken."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.refused_in_a_row = 0

    def __call__(self, read: Read) -> Embedded:
        """Embed a batch of sources with their items."""
        why = {at: item.why for at, (_, item) in enumerate(read) if isinstance(item, BadItem)}
        good = [at for at in range(len(read)) if at not in why]
        embeddings, norms, refused = embed_valid(self.encoder, [read[at][1] for at in good])
        for place in range(len(good)):
            if place in refused:
                self._count(refused[place])
            else:
                self.refused_in_a_row = 0
        why |= {good[place]: reason for place, reason in refused.items()}
        return Embedded([source for source, _ in read], embeddings, norms, why)

    def _count(self, why: str) -> None:
        self.refused_in_a_row += 1
        if self.refused_in_a_row >= BROKEN:
            raise C3Error(f"the encoder failed on {BROKEN} items in a row ({why}). Mend it, then run the same again.")


def _nothing(writer: StoreWriter) -> C3Error:
    """The error of a run without one embedding; the folder is left as if it had not been begun, but for the reasons."""
    bad = writer.bad
    writer.discard()
    if not bad:
        return C3Error("there were no inputs to embed. Name at least one.")
    with open(writer.folder / ERRORS, encoding="utf-8") as lines:
        first = [json.loads(line) for line in islice(lines, 3)]
    reasons = "; ".join(f"{entry['source']}: {entry['why']}" for entry in first)
    more = f" All {bad} stand in {writer.folder / ERRORS}." if bad > len(first) else ""
    return C3Error(f"none of {bad} inputs could be embedded: {reasons}.{more}")
