"""Answer a request: read it, give it to the worker, and wait for the outputs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from c3_serve.limits import Limits, Refused
from c3_serve.monitoring import Figures
from c3_serve.reading import Call, CallReader
from c3_serve.worker import Task, Worker


class Runs:
    """Answers requests to /run."""

    def __init__(self, reader: CallReader, worker: Worker, limits: Limits, figures: Figures) -> None:
        self.reader, self.worker, self.limits, self.figures = reader, worker, limits, figures
        self.count = 0
        figures.in_progress.set_function(lambda: self.count)

    async def answer(self, request: Request) -> list[dict[str, Any]]:
        """Return an entry for each item. Raises `Refused`."""
        if self.count >= self.limits.queue:
            raise Refused(429, "the server is busy. Try again soon.", {"Retry-After": "1"})
        self.count += 1
        deadline = time.monotonic() + self.limits.seconds
        try:
            try:
                async with asyncio.timeout(self.limits.seconds):
                    call = await self.reader.read(request)
            except TimeoutError:
                raise Refused(408, f"the request did not arrive within {self.limits.seconds:g} seconds.") from None
            try:
                return await self._outputs(call, request, deadline)
            finally:
                call.remove_files()
        finally:
            self.count -= 1

    async def _outputs(self, call: Call, request: Request, deadline: float) -> list[dict[str, Any]]:
        made = [{"error": item.error} if item.error else {} for item in call.items]
        groups: dict[str, list[int]] = {}
        for at, item in enumerate(call.items):
            if not item.error:
                groups.setdefault(item.modality, []).append(at)
        tasks = {}
        for modality, positions in groups.items():
            sources = [call.items[at].source for at in positions]
            tasks[modality] = Task(modality, call.options, call.seed, sources, deadline)
        await self._run([*tasks.values()], request, deadline)
        for modality, positions in groups.items():
            for at, output in zip(positions, tasks[modality].done.result(), strict=True):
                made[at] = output
        for item, output in zip(call.items, made, strict=True):
            if call.are_files and "error" in output:
                output["error"] = output["error"].replace(item.source, "the file")
            self.figures.items.labels("error" if "error" in output else "output").inc()
        return made

    async def _run(self, tasks: list[Task], request: Request, deadline: float) -> None:
        """Wait until all tasks are done. Raises `Refused` if one failed, or if the time is over."""
        done: asyncio.Future[Any] = asyncio.gather(*(asyncio.wrap_future(task.done) for task in tasks))
        gone = asyncio.ensure_future(_disconnected(request))
        gone.add_done_callback(lambda _: done.cancel())
        for task in tasks:
            self.worker.submit(task)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await done
        except TimeoutError:
            raise Refused(504, f"the outputs were not made within {self.limits.seconds:g} seconds.") from None
        except asyncio.CancelledError:
            if gone.done():
                raise ClientDisconnect from None
            raise
        finally:
            gone.cancel()
            for task in tasks:
                task.given_up = True


async def _disconnected(request: Request) -> None:
    """Wait until the client goes away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
