"""Embed with Ray Data on a cluster: one model in each actor. The store is the one that `embed` writes.

    names ──▶ batches of sources ──▶ reading actors ──▶ model actors ──▶ the store, in order

A row of the data set is one batch, pickled: Ray needs to know nothing of sources, items or embeddings.
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
import ray
import ray.data

from c3core.contracts import Encoder, Reader
from c3core.data import Source, named
from c3core.embedding import PATIENCE, Embedded, Embedder, Read, Runs, Worker, dumps, run_batches, write_store
from c3core.errors import C3Error, WrongCall, lines_of, warn
from c3core.store import SHARD_ROWS, EncoderInfo, Store

Load = Callable[[], Encoder]
Open = Callable[[], Iterable[Source | str]]
ONE_ROW: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow"}


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
    """Embed as `embed` does, on the cluster that Ray is connected to, or that `RAY_ADDRESS` names, or on this machine.

    `load()` makes the encoder and `sources()` a new stream. Both are called on Ray's machines, which must see the same
    files under the same paths. Each of the `actors` holds a model, with `gpus` (by default one if the cluster has any).
    `workers` more actors read for them; without these each model waits for its own batches to be read. Raises `C3Error`
    as `embed` does, and if Ray has too few processors, or fails.
    """
    if batch_size < 1 or actors < 1 or workers < 0:
        raise WrongCall(
            f"batch_size and actors must be at least 1 and workers 0 or more, got {batch_size}, {actors} and {workers}."
        )
    with cluster():
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU") else 0.0
        if (processors := int(ray.cluster_resources().get("CPU", 0))) < actors + workers:
            has = f"Ray has {processors} processor(s), and {actors} actor(s) and {workers} worker(s) need one each."
            raise WrongCall(f"{has} Ask for fewer, or start Ray with more.")
        folder = os.getcwd()
        info, reader = unpack(ray.get(ray.remote(num_cpus=0, num_gpus=gpus)(_inspect).remote(load, folder)))
        model = {"load": load, "info": info, "patience": None if workers else patience, "folder": folder}

        def embed_batches(_: Iterator[Source], start: int) -> Generator[Embedded, None, None]:
            names = partial(_batches, sources=sources, start=start, size=batch_size, folder=folder)
            # Without a processor of its own, or Ray would join this step and the next.
            data = ray.data.from_items([0]).map_batches(names, num_cpus=0, **ONE_ROW)
            if workers:
                reading = {"reader": reader, "patience": patience, "folder": folder}
                pool = ray.data.ActorPoolStrategy(size=workers)
                data = data.map_batches(
                    _ReadingActor, fn_constructor_kwargs=reading, compute=pool, num_cpus=1, **ONE_ROW
                )
            pool = ray.data.ActorPoolStrategy(size=actors)
            data = data.map_batches(
                _ModelActor, fn_constructor_kwargs=model, compute=pool, num_cpus=1, num_gpus=gpus, **ONE_ROW
            )
            for row in data.iter_batches(batch_size=1, batch_format="pyarrow"):
                yield unpack(_content(row))

        return write_store(out, info, sources(), embed_batches, shard_rows=shard_rows, total=total, quiet=quiet)


@contextmanager
def cluster() -> Iterator[None]:
    """Connect Ray and set it up for this work; restore its settings afterwards."""
    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, logging_level=logging.WARNING, log_to_driver=False)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it would log the tracebacks of errors that are raised
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size, context.execution_options.preserve_order, context.enable_progress_bars
    context.target_max_block_size = 1  # byte: each batch goes on as soon as it is done
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    try:
        yield
    except ray.exceptions.RayError as error:
        raise C3Error(f"Ray failed: {lines_of(error)[-1].rstrip('.')}. Fix it and run the same again.") from error
    finally:
        context.target_max_block_size, context.execution_options.preserve_order, context.enable_progress_bars = before
        if started:
            ray.shutdown()


def _inspect(load: Load, folder: str) -> bytes:
    """What the driver must know of the encoder, which it does not load itself."""

    def inspect() -> tuple[EncoderInfo, Reader]:
        _enter(folder)
        encoder = load()
        return EncoderInfo.of(encoder), encoder.reader()

    return pack(inspect)


def _batches(_: pa.Table, *, sources: Open, start: int, size: int, folder: str) -> Iterator[pa.Table]:
    """Batches of `size` runs of equal sources, from source number `start` on."""

    try:
        _enter(folder)
        for batch in run_batches(islice(named(sources()), start, None), size):
            yield _row(dumps((batch, [])))
    except C3Error as error:
        yield _row(dumps((error, [])))


class _ReadingActor:
    """An actor that reads in a process of its own. Ray would retry for ever a source that kills its actor."""

    def __init__(self, reader: Reader, patience: float, folder: str) -> None:
        _enter(folder)
        self.worker = Worker(reader, patience)

    def read(self, batch: Runs) -> Read:
        self.worker.send(batch)
        return self.worker.collect()

    def __call__(self, row: pa.Table) -> pa.Table:
        return _row(pack(lambda: self.read(unpack(_content(row)))))

    def __del__(self) -> None:
        with suppress(AttributeError):  # `__init__` failed
            self.worker.stop()


class _ModelActor:
    """An actor that embeds. With `patience` it also reads, because no other actor does."""

    def __init__(self, load: Load, info: EncoderInfo, patience: float | None, folder: str) -> None:
        _enter(folder)
        encoder = load()
        if EncoderInfo.of(encoder) != info:
            raise C3Error(f"another encoder was loaded here than elsewhere (fingerprint {encoder.fingerprint[:8]}…)")
        self.embedder = Embedder(encoder)
        self.reading = None if patience is None else _ReadingActor(encoder.reader(), patience, folder)

    def __call__(self, row: pa.Table) -> pa.Table:
        def embed() -> Embedded:
            batch = unpack(_content(row))
            return self.embedder(self.reading.read(batch) if self.reading else batch)

        return _row(pack(embed))


def _enter(folder: str) -> None:
    """Make relative paths mean what they mean on the driver."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise C3Error(
            f"the folder {folder} is not on every machine ({error.strerror}). Share it, or start from one that is."
        ) from None


def pack(work: Callable[[], Any]) -> bytes:
    """Call `work` and pickle its result, or the `C3Error` that it raises, with its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            value = work()
        except C3Error as error:
            value = error
    return dumps((value, [str(one.message) for one in caught if issubclass(one.category, UserWarning)]))


def unpack(content: bytes) -> Any:
    """The result that `pack` pickled. Raises its `C3Error`, and issues its warnings again."""
    value, messages = pickle.loads(content)
    for message in messages:
        warn(message)
    if isinstance(value, C3Error):
        raise value
    return value


def _row(content: bytes) -> pa.Table:
    return pa.table({"batch": pa.array([content], pa.large_binary())})


def _content(row: pa.Table) -> bytes:
    content: bytes = row.column("batch")[0].as_py()
    return content
