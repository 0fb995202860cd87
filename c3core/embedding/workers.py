"""Read sources in worker processes, in order. A source that kills or hangs its worker is only a bad item.

Sources that are repeated in a row, as a photo is in a table of its captions, are read once.
"""

from __future__ import annotations

import io
import multiprocessing
import pickle
import queue
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from c3core.contracts import BadItem, Reader, name_of
from c3core.data.sources import Source
from c3core.errors import C3Error

PATIENCE = 120.0  # seconds that a worker may take for one item
LONGEST_RUN = 64  # a longer run is split, so that a batch of runs stays small
START_TIMEOUT = 300.0  # seconds that a worker may take to import what its reader needs

Runs = list[list[Source]]  # of equal sources, which are read once
Read = list[tuple[list[Source], Any]]  # each run with its item, or a `BadItem`


def read_batches(
    reader: Reader, sources: Iterable[Source], *, batch_size: int, workers: int = 0, patience: float = PATIENCE
) -> Generator[Read, None, None]:
    """Read sources in order, in batches of `batch_size` runs of equal sources.

    `workers` processes read at most one batch each ahead; with 0 this process reads. A source becomes a `BadItem` if
    its process dies twice on it, or takes longer than `patience` seconds; then another process replaces that one.
    """
    batches = run_batches(sources, batch_size)
    if not workers:
        for batch in batches:
            yield [(run, reader(run[0].source)) for run in batch]
        return
    pool: list[Worker] = []
    try:
        pool += [Worker(reader, patience) for _ in range(workers)]
        busy: deque[Worker] = deque()
        for worker, batch in zip(pool, batches, strict=False):
            worker.send(batch)
            busy.append(worker)
        while busy:
            worker = busy.popleft()
            read = worker.collect()
            if following := next(batches, None):
                worker.send(following)
                busy.append(worker)
            yield read
    finally:
        for worker in pool:
            worker.stop()


class Worker:
    """A process that reads one batch at a time. A thread empties its pipe, so that the process never waits to send."""

    def __init__(self, reader: Reader, patience: float) -> None:
        self.reader, self.patience = reader, patience
        self.waiting: deque[list[Source]] = deque()
        self.ready = False
        self._start()

    def _start(self) -> None:
        # A forked copy of a process with threads or a GPU may lock up. Start a fresh process.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["c3core.contracts"])
        self.ready, self.inbox = False, queue.SimpleQueue[bytes | None]()
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=_work, args=(end, self.reader), daemon=True)
        try:
            with _interrupts_blocked():
                self.process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise C3Error(f"the reader cannot be sent to a process ({error}). Use workers=0.") from error
        end.close()
        self.drain = Thread(target=_drain, args=(self.pipe, self.inbox), daemon=True)
        self.drain.start()

    def send(self, batch: Runs) -> None:
        """Let the process read a batch."""
        if not self.ready:
            self._await_ready()
        self.waiting = deque(batch)
        try:
            task = dumps([run[0].source for run in batch])
        except Exception as error:  # any object may raise anything when it is pickled
            raise C3Error(f"{batch[0][0].id} cannot be sent to a process ({error}). Use workers=0.") from error
        try:
            self.pipe.send_bytes(task)
        except OSError:  # the process died while it was idle: `collect` will replace it
            self.inbox.put(None)

    def collect(self) -> Read:
        """The batch with its items, in order."""
        read: Read = []
        died: list[Source] | None = None
        while self.waiting:
            run = self.waiting[0]
            try:
                message = self.inbox.get(timeout=self.patience)
            except queue.Empty:
                read.append((run, _bad(run, f"reading took longer than {self.patience:g} s")))
                self._replace(skip=1)
                continue
            if message is not None:
                read.append((run, pickle.loads(message)))
                self.waiting.popleft()
            elif died is run:
                read.append((run, _bad(run, "the process that read it died")))
                self._replace(skip=1)
            else:  # try again: if memory is short, the system kills any process
                died = run
                self._replace(skip=0)
        return read

    def _replace(self, *, skip: int) -> None:
        self.stop()
        rest = list(self.waiting)[skip:]
        self._start()
        if rest:
            self.send(rest)
        else:
            self.waiting.clear()

    def _await_ready(self) -> None:
        try:
            message = self.inbox.get(timeout=START_TIMEOUT)
        except queue.Empty:
            message = None
        if message is None:
            raise C3Error(
                "a worker process did not start; its own error is above. A script with workers must do its work under"
                ' `if __name__ == "__main__":`, because each process imports it. Or use workers=0.'
            )
        self.ready = True

    def stop(self) -> None:
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
            self.drain.join()
        self.pipe.close()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for the processes started inside: it would end them with a traceback while they import."""
    resource_tracker.ensure_running()  # when it starts, it unblocks the signal
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
    """Read batches in a worker process until the pipe closes, as it does when the main process ends or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the main process stops this one
    torch.set_num_threads(1)
    try:
        pipe.send_bytes(b"ready")
        while True:
            for source in pickle.loads(pipe.recv_bytes()):
                item = reader(source)
                try:
                    message = dumps(item)
                except Exception as error:  # any object may raise anything when it is pickled
                    message = dumps(BadItem(name_of(source), f"its item cannot be sent between processes ({error})"))
                pipe.send_bytes(message)
    except (EOFError, OSError):
        return


class _Pickler(pickle.Pickler):
    """Sends tensors by value. Torch would send a file descriptor of each, and lose it with the process."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is torch.Tensor and value.layout is torch.strided and value.dtype is not torch.bfloat16:
            return torch.from_numpy, (value.detach().cpu().numpy(),)
        return NotImplemented


def dumps(value: Any) -> bytes:
    """Pickle a value for a pipe between our own processes. It is never written to a file."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def _bad(run: list[Source], why: str) -> BadItem:
    return BadItem(name_of(run[0].source), why)


def deduplicate(sources: Iterable[Source]) -> Iterator[list[Source]]:
    """The sources in runs: consecutive equal paths or sentences, or the same object several times.

    >>> stream = [Source("1", "a.jpg"), Source("2", "a.jpg"), Source("3", "b.jpg")]
    >>> [[source.id for source in run] for run in deduplicate(stream)]
    [['1', '2'], ['3']]
    """
    for _, same in groupby(sources, key=_Key):
        while run := list(islice(same, LONGEST_RUN)):
            yield run


def run_batches(sources: Iterable[Source], size: int) -> Iterator[Runs]:
    """The sources in batches of `size` runs, the last one of fewer."""
    stream = deduplicate(sources)
    return iter(lambda: list(islice(stream, size)), [])


class _Key:
    """Compares paths and sentences by value, and other objects by identity, because their content may be large."""

    def __init__(self, source: Source) -> None:
        self.value: Any = source.source

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, _Key)
        named = isinstance(self.value, str | Path) and isinstance(other.value, str | Path)
        return self.value == other.value if named else self.value is other.value

    __hash__ = None  # type: ignore[assignment]  # only compared
