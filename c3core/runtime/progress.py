"""The one progress display: a bar on a terminal, plain lines elsewhere, always on standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

EVERY = 10.0  # seconds between two plain lines


class Bar(Protocol):
    """What `progress` yields."""

    def advance(self, n: int = 1, **fields: Any) -> None:
        """`n` more are done; `fields`, such as `loss=1.23`, are shown beside the rate until they are given anew."""


@contextmanager
def progress_bar(what: str, *, total: int | None = None, done: int = 0, quiet: bool = False) -> Iterator[Bar]:
    """Show how far long work is: a bar with a rate and the time left when standard error is a terminal, else a line
    about every ten seconds and one at the end. Standard output stays untouched.

    `total` is None for a stream of unknown length. `done` were finished by an earlier run: they count, but not in the
    rate.

    >>> with progress_bar("embedding", total=3, quiet=True) as bar:
    ...     for _ in range(3):
    ...         bar.advance(1, loss=0.5)
    """
    if quiet:
        yield _Silent()
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _rich(what, total, done) as bar:
            yield bar
    else:
        lines = _Lines(what, total, done)
        try:
            yield lines
        finally:
            lines.close()


@contextmanager
def without_bars(*libraries: Any) -> Iterator[None]:
    """Inside, libraries show no bars of their own, which would mix with this display: `transformers.utils.logging` and
    `diffusers.utils.logging`, the modules by which these are told.
    """
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()


class _Silent:
    def advance(self, n: int = 1, **fields: Any) -> None:
        """Shows nothing."""


class _Pace:
    """Counts, and tells the rate of this run."""

    def __init__(self, done: int) -> None:
        self.done, self.first, self.start = done, done, time.monotonic()
        self.fields: dict[str, Any] = {}

    def advance(self, n: int, fields: dict[str, Any]) -> None:
        self.done += n
        self.fields.update(fields)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    @property
    def rate(self) -> float:
        return (self.done - self.first) / max(self.seconds, 1e-9)

    def detail(self) -> str:
        """The rate and the fields: `12.3/s loss=1.23`; nothing where all was done by an earlier run."""
        fields = (f"{name}={_number(value)}" for name, value in self.fields.items())
        return " ".join([f"{_number(self.rate)}/s", *fields]) if self.done > self.first else ""


class _Lines:
    """Plain lines for a log."""

    def __init__(self, what: str, total: int | None, done: int) -> None:
        self.what, self.total, self.pace, self.last = what, total, _Pace(done), time.monotonic()

    def advance(self, n: int = 1, **fields: Any) -> None:
        self.pace.advance(n, fields)
        if time.monotonic() - self.last >= EVERY:
            self.last = time.monotonic()
            self.show(self.left())

    def left(self) -> str:
        if self.total is None or self.pace.rate <= 0:
            return ""
        return f", {_duration(max(self.total - self.pace.done, 0) / self.pace.rate)} left"

    def close(self) -> None:
        self.show(f", took {_duration(self.pace.seconds)}")

    def show(self, end: str) -> None:
        of = "" if self.total is None else f"/{self.total:,} ({100 * self.pace.done / max(self.total, 1):.0f} %)"
        detail = self.pace.detail()
        with suppress(BrokenPipeError):  # work does not end because nobody reads its log any more
            print(
                f"{self.what}: {self.pace.done:,}{of}{detail and ', '}{detail}{end if detail else ''}",
                file=sys.stderr,
                flush=True,
            )


@contextmanager
def _rich(what: str, total: int | None, done: int) -> Iterator[Bar]:
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}", markup=False),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn() if total is None else rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[detail]}", markup=False),
    )
    # On one terminal, what is printed goes above the bar. Where standard output is a pipe that another program reads,
    # rich must not draw on its console what belongs there.
    with rich.Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as display:
        yield _Rich(display, display.add_task(what, total=total, completed=done, detail=""), done)


class _Rich:
    def __init__(self, display: Any, task: Any, done: int) -> None:
        self.display, self.task, self.pace = display, task, _Pace(done)

    def advance(self, n: int = 1, **fields: Any) -> None:
        self.pace.advance(n, fields)
        self.display.update(self.task, completed=self.pace.done, detail=self.pace.detail())


def _number(value: Any) -> str:
    """Three significant digits of a number below a thousand, whole ones above; anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _duration(seconds: float) -> str:
    """A time to read at a glance: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
