"""Embedding on Ray Data: on the machines of a cluster, one model an actor; the store is written as the local engine
writes it.

    names ──▶ chunks of sources ──▶ reading actors ──▶ model actors ──▶ the store, in order

A row of the data set is one chunk, as bytes between our own processes: Ray needs to know nothing of sources, items or
embeddings.
"""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from c3core.contracts import Encoder, Reader
from c3core.data.sources import Source, named
from c3core.embedding.embedder import Embedded, Embedder, fill
from c3core.embedding.workers import PATIENCE, Read, Worker, dumps
from c3core.errors import C3Error, NotInstalled, lines_of
from c3core.store.shard import EncoderInfo
from c3core.store.store import Store
from c3core.store.writer import SHARD_ROWS

Load = Callable[[], Encoder]
Open = Callable[[], Iterable[Source | str]]


def embed_with_ray(
    load: Load,
    sources: Open,
    out: str | Path,
    *,
    batch_size: int = 64,
    actors: int = 1,
    workers: int = 0,
    gpus: float | None = None,
    shard_rows: int = SHARD_ROWS,
    patience: float = PATIENCE,
    total: int | None = None,
    quiet: bool = False,
) -> Store:
    """`c3core.embedding.embedder.embed` on Ray: the same rows in the same order, the same bad items, and it goes on
    after a kill.

    `load()` makes the encoder and `sources()` a fresh stream; both are called on Ray's machines, which must see the
    same files under the same paths. `actors` hold a model each, with `gpus` (by default one if the cluster has any).
    With `workers`, that many more read; otherwise each model waits for its own batches to be read.

    A cluster is the one that Ray is connected to, or that `RAY_ADDRESS` names; otherwise Ray is started here and
    stopped again.
    """
    if batch_size < 1 or actors < 1 or workers < 0:
        raise C3Error(
            f"batch_size and actors must be at least 1 and workers 0 or more, got {batch_size}, {actors} and {workers}."
        )
    with _cluster() as ray:
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU") else 0.0
        if (processors := int(ray.cluster_resources().get("CPU", 0))) < actors + workers:
            has = f"Ray has {processors} processor(s), and {actors} actor(s) and {workers} worker(s) need one each."
            raise C3Error(f"{has} Ask for fewer, or start Ray with more.")
        folder = os.getcwd()
        looked = ray.remote(num_cpus=0, num_gpus=gpus)(_look).remote(load, folder)
        encoding, reader = _unpacked(ray.get(looked))
        model = {"load": load, "encoding": encoding, "patience": None if workers else patience, "folder": folder}

        def work(_: Iterator[Source], start: int) -> Generator[Embedded, None, None]:
            names = partial(_chunks, sources=sources, start=start, size=batch_size, folder=folder)
            # Without a processor of its own, or Ray would make one step of this and of what follows.
            data = ray.data.from_items([0]).map_batches(names, num_cpus=0, **ONE_CHUNK)
            if workers:
                reading = {"reader": reader, "patience": patience, "folder": folder}
                pool = ray.data.ActorPoolStrategy(size=workers)
                data = data.map_batches(_Reading, fn_constructor_kwargs=reading, compute=pool, num_cpus=1, **ONE_CHUNK)
            pool = ray.data.ActorPoolStrategy(size=actors)
            data = data.map_batches(
                _Model, fn_constructor_kwargs=model, compute=pool, num_cpus=1, num_gpus=gpus, **ONE_CHUNK
            )
            for row in data.iter_batches(batch_size=1, batch_format="pyarrow"):
                yield _unpacked(_blob(row))

        return fill(out, encoding, sources(), work, shard_rows=shard_rows, total=total, quiet=quiet)


ONE_CHUNK: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow"}


@contextmanager
def _cluster() -> Iterator[Any]:
    """Ray, connected; what Ray says to users of Ray is left out."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise NotInstalled('Ray is missing, which --engine ray needs. Run: pip install "c3core[ray]"') from None
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, logging_level=logging.WARNING, log_to_driver=False)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # errors are raised; it would log their tracebacks too
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size, context.execution_options.preserve_order, context.enable_progress_bars
    context.target_max_block_size = 1  # byte: each chunk goes on as soon as it is done
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    try:
        yield ray
    except ray.exceptions.RayError as error:
        raise C3Error(f"Ray gave up: {lines_of(error)[-1].rstrip('.')}. Mend it, then run the same again.") from error
    finally:
        context.target_max_block_size, context.execution_options.preserve_order, context.enable_progress_bars = before
        if started:
            ray.shutdown()


def _look(load: Load, folder: str) -> bytes:
    """What the driver must know of the encoder, without having its model."""

    def look() -> tuple[EncoderInfo, Reader]:
        _enter(folder)
        encoder = load()
        return EncoderInfo.of(encoder), encoder.reader()

    return _packed(look)


def _chunks(_: pa.Table, *, sources: Open, start: int, size: int, folder: str) -> Iterator[pa.Table]:
    """The sources from `start` on, `size` at a time."""

    def follow() -> Iterator[Source]:
        _enter(folder)
        yield from islice(named(sources()), start, None)

    stream = follow()
    try:
        while chunk := list(islice(stream, size)):
            yield _row(dumps((chunk, [])))
    except C3Error as error:
        yield _row(dumps((error, [])))


class _Reading:
    """An actor that reads, in a process of its own: Ray would try a source that kills its actor again and again."""

    def __init__(self, reader: Reader, patience: float, folder: str) -> None:
        _enter(folder)
        self.worker = Worker(reader, patience)

    def read(self, chunk: list[Source]) -> Read:
        self.worker.give(chunk)
        return self.worker.collect()

    def __call__(self, row: pa.Table) -> pa.Table:
        return _row(_packed(lambda: self.read(_unpacked(_blob(row)))))

    def __del__(self) -> None:
        with suppress(AttributeError):  # it failed while it was made
            self.worker.stop()


class _Model:
    """An actor that embeds, and with `patience` also reads because nobody else does."""

    def __init__(self, load: Load, encoding: EncoderInfo, patience: float | None, folder: str) -> None:
        _enter(folder)
        encoder = load()
        if EncoderInfo.of(encoder) != encoding:
            raise C3Error(f"another encoder was loaded here than elsewhere (fingerprint {encoder.fingerprint[:8]}…)")
        self.embedder = Embedder(encoder)
        self.reading = None if patience is None else _Reading(encoder.reader(), patience, folder)

    def __call__(self, row: pa.Table) -> pa.Table:
        def embed() -> Embedded:
            chunk = _unpacked(_blob(row))
            return self.embedder(self.reading.read(chunk) if self.reading else chunk)

        return _row(_packed(embed))


def _enter(folder: str) -> None:
    """Relative paths mean here what they meant where the work was asked for."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise C3Error(
            f"the folder {folder} is not on every machine ({error.strerror}). Share it, or start from one that is."
        ) from None


def _packed(work: Callable[[], Any]) -> bytes:
    """As bytes what `work` gives, or the `C3Error` that it raises (for the user: no failure of Ray's), and its
    warnings.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            value = work()
        except C3Error as error:
            value = error
    return dumps((value, [str(one.message) for one in said if issubclass(one.category, UserWarning)]))


def _unpacked(content: bytes) -> Any:
    """What `_packed` was given; its warnings are said here, each once."""
    value, said = pickle.loads(content)
    for message in said:
        warnings.warn(message, stacklevel=2)
    if isinstance(value, C3Error):
        raise value
    return value


def _row(content: bytes) -> pa.Table:
    return pa.table({"chunk": pa.array([content], pa.large_binary())})


def _blob(row: pa.Table) -> bytes:
    content: bytes = row.column("chunk")[0].as_py()
    return content
