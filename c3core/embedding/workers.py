"""Reading sources in worker processes, in order. A source that kills or hangs its worker is a bad item and no more."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import queue
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import torch

from c3core.contracts import BadItem, Reader, name_of
from c3core.data.sources import Source
from c3core.errors import C3Error

PATIENCE = 120.0  # seconds that one item may take in a worker
STARTING = 300.0  # seconds that a worker may take to import what its reader needs

Read = list[tuple[Source, Any]]  # sources with their items, or a `BadItem` each


def read_batches(
    reader: Reader, sources: Iterable[Source], *, batch_size: int, workers: int = 0, patience: float = PATIENCE
) -> Generator[Read, None, None]:
    """Read a stream of sources, `batch_size` at a time, in order; at most a batch a worker is read ahead.

    With `workers` the reader is sent to that many processes. A source on which its process dies twice, or that takes
    longer than `patience` seconds, becomes a `BadItem`; the process is replaced and the rest goes on.
    """
    if batch_size < 1 or workers < 0:
        raise C3Error(f"batch_size must be at least 1 and workers 0 or more, got {batch_size} and {workers}.")
    stream = iter(sources)
    chunks = iter(lambda: list(islice(stream, batch_size)), [])
    if not workers:
        for chunk in chunks:
            yield [(source, reader(source.source)) for source in chunk]
        return
    pool: list[Worker] = []
    try:
        pool += [Worker(reader, patience) for _ in range(workers)]
        busy: deque[Worker] = deque()
        for worker, chunk in zip(pool, chunks, strict=False):
            worker.give(chunk)
            busy.append(worker)
        while busy:
            worker = busy.popleft()
            read = worker.collect()
            if following := next(chunks, None):
                worker.give(following)
                busy.append(worker)
            yield read
    finally:
        for worker in pool:
            worker.stop()


class Worker:
    """One process that reads, and the chunk it is at. A thread empties its pipe, so that it never waits to send."""

    def __init__(self, reader: Reader, patience: float) -> None:
        self.reader, self.patience = reader, patience
        self.waiting: deque[Source] = deque()
        self.ready = False
        self._start()

    def _start(self) -> None:
        # A forked copy of a process that uses threads or a GPU may lock up: a fresh process it is.
        context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
        if os.name == "posix":
            context.set_forkserver_preload(["c3core.contracts"])
        self.ready, self.inbox = False, queue.SimpleQueue[bytes | None]()
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=_work, args=(end, self.reader), daemon=True)  # type: ignore[attr-defined]
        try:
            with _uninterrupted():
                self.process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise C3Error(f"the reader cannot be sent to a process ({error}). Use workers=0.") from error
        end.close()
        self.drain = Thread(target=_drain, args=(self.pipe, self.inbox), daemon=True)
        self.drain.start()

    def give(self, chunk: list[Source]) -> None:
        """Let the process read a chunk."""
        if not self.ready:
            self._await_ready()
        self.waiting = deque(chunk)
        try:
            task = dumps([source.source for source in chunk])
        except Exception as error:  # whatever a foreign object raises when it is pickled
            raise C3Error(f"{chunk[0].id} cannot be sent to a process ({error}). Use workers=0.") from error
        try:
            self.pipe.send_bytes(task)
        except OSError:  # the process died while idle: `collect` sees that, and starts another
            self.inbox.put(None)

    def collect(self) -> Read:
        """The chunk's sources with their items, in order."""
        read: Read = []
        died: Source | None = None
        while self.waiting:
            source = self.waiting[0]
            try:
                message = self.inbox.get(timeout=self.patience)
            except queue.Empty:
                read.append((source, _bad(source, f"reading took longer than {self.patience:g} s")))
                self._replace(skip=1)
                continue
            if message is not None:
                read.append((source, pickle.loads(message)))
                self.waiting.popleft()
            elif died is source:
                read.append((source, _bad(source, "the process that read it died")))
                self._replace(skip=1)
            else:  # the first time the source may be innocent: short of memory, the system kills any process
                died = source
                self._replace(skip=0)
        return read

    def _replace(self, *, skip: int) -> None:
        self.stop()
        rest = list(self.waiting)[skip:]
        self._start()
        if rest:
            self.give(rest)
        else:
            self.waiting.clear()

    def _await_ready(self) -> None:
        try:
            message = self.inbox.get(timeout=STARTING)
        except queue.Empty:
            message = None
        if message is None:
            raise C3Error(
                "a process for reading did not start (what it said stands above). A script that asks for workers must"
                " do its work"
                ' under `if __name__ == "__main__":`, as each process runs it again. Or use workers=0.'
            )
        self.ready = True

    def stop(self) -> None:
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
            self.drain.join()
        self.pipe.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits, and processes started here never get it: while they import, it would end them with a traceback."""
    if os.name != "posix":
        yield
        return
    resource_tracker.ensure_running()  # which lets the signal through again when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _drain(pipe: Connection, inbox: queue.SimpleQueue[bytes | None]) -> None:
    try:
        while True:
            inbox.put(pipe.recv_bytes())
    except (EOFError, OSError):
        inbox.put(None)


def _work(pipe: Connection, reader: Reader) -> None:
    """What a process does until its pipe closes, which it also does when the main process dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then stops this one
    torch.set_num_threads(1)
    try:
        pipe.send_bytes(b"ready")
        while True:
            for source in pickle.loads(pipe.recv_bytes()):
                item = reader(source)
                try:
                    message = dumps(item)
                except Exception as error:  # whatever a foreign object raises when it is pickled
                    message = dumps(BadItem(name_of(source), f"its item cannot be sent between processes ({error})"))
                pipe.send_bytes(message)
    except (EOFError, OSError):
        return


class _Pickler(pickle.Pickler):
    """Tensors go by value. As torch sends them, each would take a file descriptor, and be lost with its process."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is torch.Tensor and value.layout is torch.strided and value.dtype is not torch.bfloat16:
            return torch.from_numpy, (value.detach().cpu().numpy(),)
        return NotImplemented


def dumps(value: Any) -> bytes:
    """Bytes for a pipe between our own processes; nothing of it is ever written to a file."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def _bad(source: Source, why: str) -> BadItem:
    return BadItem(name_of(source.source), why)
