"""The thread that owns the model: it runs requests that came together in one batch."""

from __future__ import annotations

import sys
import time
import traceback
from base64 import b64encode
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from c3_serve.limits import Refused
from c3_serve.monitoring import Figures
from c3core import C3Error, Pipeline
from c3core.contracts import BadItem, Decoder, GenerationOptions
from c3core.errors import lines_of
from c3core.runtime import is_out_of_memory

GONE = object()  # a source that no reader takes, in place of one that nobody waits for


@dataclass(eq=False)
class Task:
    """The sources of one modality of a request. `done` gets their outputs as JSON, or `Refused`."""

    modality: str
    options: GenerationOptions
    seed: int
    sources: Sequence[str]
    deadline: float  # by time.monotonic
    done: Future[list[dict[str, Any]]] = field(default_factory=Future)
    given_up: bool = False

    def __post_init__(self) -> None:
        self.key = (self.modality, self.options.model_dump_json(), self.seed)  # tasks of one key can share a batch

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for the outputs any more."""
        return self.given_up or time.monotonic() > self.deadline


class Worker(Thread):
    """Runs tasks in the order in which they came, each with the waiting ones that can share its batch."""

    def __init__(self, pipeline: Pipeline, folder: Path, figures: Figures, *, batch_size: int = 64) -> None:
        super().__init__(name="model", daemon=True)
        self.pipeline, self.folder, self.figures, self.batch_size = pipeline, folder, figures, batch_size
        self._waiting: deque[Task] = deque()
        self._changed = Condition()
        figures.queue.set_function(lambda: len(self._waiting))

    def submit(self, task: Task) -> None:
        """Take a task. Its future is resolved later."""
        with self._changed:
            self._waiting.append(task)
            self._changed.notify()

    def run(self) -> None:
        """Work for ever."""
        while True:
            tasks = [task for task in self._next_tasks() if task.done.set_running_or_notify_cancel()]
            try:
                self._run(tasks)
            except Exception as error:
                for task in tasks:
                    if len(tasks) > 1 and not task.done.done():
                        self._run_alone(task)  # so that one request does not end another
                    elif not task.done.done():
                        task.done.set_exception(_refusal(error))

    def _next_tasks(self) -> list[Task]:
        """Wait for a task. Return it with others of its key, up to `batch_size` items."""
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            first = self._waiting.popleft()
            taken, count = [first], len(first.sources)
            for task in list(self._waiting):
                if task.key == first.key and count + len(task.sources) <= self.batch_size:
                    self._waiting.remove(task)
                    taken.append(task)
                    count += len(task.sources)
            return taken

    def _run_alone(self, task: Task) -> None:
        try:
            self._run([task])
        except Exception as error:
            task.done.set_exception(_refusal(error))

    def _run(self, tasks: Sequence[Task]) -> None:
        """Run tasks of one key. Random outputs are those of each by itself."""
        if not tasks:
            return
        first, starts, count = tasks[0], list[int](), 0
        for task in tasks:
            starts.append(count)
            count += len(task.sources)
        made: list[Any] = [None] * count
        for position, output in self.pipeline.stream(
            _sources(tasks),
            modality=first.modality,
            generation=first.options,
            seed=first.seed,
            batch_size=self.batch_size,
            restarts=starts,
        ):
            made[position] = _as_json(output, self.pipeline.decoder, self.folder)
        self.figures.batch.observe(count)
        for task, start in zip(tasks, starts, strict=True):
            task.done.set_result(made[start : start + len(task.sources)])


def _sources(tasks: Sequence[Task]) -> Iterator[Any]:
    for task in tasks:
        for source in task.sources:
            yield GONE if task.is_gone else source


def _as_json(output: Any, decoder: Decoder, folder: Path) -> dict[str, Any]:
    """Return an output as `Made` has it. A file goes by way of `folder`, so that it is what `c3 run` writes."""
    if isinstance(output, BadItem):
        return {"error": output.why}
    if decoder.suffix is None:
        score = getattr(output, "score", None)
        return {"output": str(output)} | ({} if score is None else {"score": score})
    path = folder / f"output{decoder.suffix}"
    decoder.write(output, path)
    return {"output": b64encode(path.read_bytes()).decode("ascii")}


def _refusal(error: Exception) -> Refused:
    if isinstance(error, C3Error):
        return Refused(422, " ".join(lines_of(error)))
    if is_out_of_memory(error):
        return Refused(503, "there is not enough memory for this request. Send fewer or smaller items.")
    traceback.print_exception(error, file=sys.stderr)
    return Refused(500, "the server failed at this request. Its log tells why.")
