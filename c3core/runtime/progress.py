"""Show the progress of long work: a bar on a terminal and in a notebook, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from typing import Any

INTERVAL = 10.0  # seconds between two plain lines
CELL_INTERVAL = 0.25  # seconds between two updates of a bar in a notebook


class Bar:
    """What `progress_bar` yields: counts what is done. This one shows nothing; others override `show`."""

    def __init__(self, done: int) -> None:
        self.done, self.before, self.start = done, done, time.monotonic()
        self.fields: dict[str, Any] = {}

    def advance(self, n: int = 1, **fields: Any) -> None:
        """Count `n` more as done, and show `fields` such as `loss=1.23` beside the rate until they change."""
        self.done += n
        self.fields.update(fields)
        self.show()

    def show(self) -> None:
        """Show the state after a change."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    @property
    def rate(self) -> float:
        return (self.done - self.before) / max(self.seconds, 1e-9)

    def detail(self) -> str:
        """The rate and the fields, `12.3/s loss=1.23`, or nothing if an earlier run did all of the work."""
        fields = (f"{name}={_number(value)}" for name, value in self.fields.items())
        return " ".join([f"{_number(self.rate)}/s", *fields]) if self.done > self.before else ""


@contextmanager
def progress_bar(what: str, *, total: int | None = None, done: int = 0, quiet: bool = False) -> Iterator[Bar]:
    """Show how much is done, the rate and the time left, if `quiet` is not set.

    A terminal and a notebook get a bar; a file or a pipe gets a line about every ten seconds and one at the end, on
    standard error. `total` is None for a stream of unknown length. `done` were finished by an earlier run: they count,
    but not for the rate.

    >>> with progress_bar("embedding", total=3, quiet=True) as bar:
    ...     for _ in range(3):
    ...         bar.advance(1, loss=0.5)
    """
    if quiet:
        yield Bar(done)
    elif not _in_notebook() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _rich(what, total, done) as bar:
            yield bar
    else:
        lines = (_Cell if _in_notebook() else _Lines)(what, total, done)
        try:
            yield lines
        finally:
            lines.close()


@contextmanager
def without_bars(*libraries: Any) -> Iterator[None]:
    """Hide the bars of libraries, given as `transformers.utils.logging` or `diffusers.utils.logging`, inside a block.

    They would mix with this display.
    """
    enabled = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in enabled:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in enabled:
            library.enable_progress_bar()


class _Lines(Bar):
    """Plain lines for a log."""

    interval = INTERVAL

    def __init__(self, what: str, total: int | None, done: int) -> None:
        super().__init__(done)
        self.what, self.total, self.shown = what, total, self.start

    def show(self) -> None:
        if time.monotonic() - self.shown < self.interval:
            return
        self.shown = time.monotonic()
        if self.total is None or self.rate <= 0:
            self.print("")
        else:
            self.print(f", {duration(max(self.total - self.done, 0) / self.rate)} left")

    def close(self) -> None:
        self.print(f", took {duration(self.seconds)}")

    def line(self, end: str) -> str:
        """What is shown: what is done, the share, the rate with the fields, and a word about time."""
        of = "" if self.total is None else f"/{self.total:,} ({100 * self.done / max(self.total, 1):.0f} %)"
        detail = f", {self.detail()}{end}" if self.detail() else ""
        return f"{self.what}: {self.done:,}{of}{detail}"

    def print(self, end: str) -> None:
        with suppress(BrokenPipeError):  # work does not end because nobody reads its log
            print(self.line(end), file=sys.stderr, flush=True)


class _Cell(_Lines):
    """A bar in the output of a notebook's cell. It is updated in place; a saved notebook holds its last state."""

    interval = CELL_INTERVAL

    def __init__(self, what: str, total: int | None, done: int) -> None:
        from IPython.display import display

        super().__init__(what, total, done)
        self.text = self.line("")
        self.handle = display(self, display_id=True)  # type: ignore[no-untyped-call, unused-ignore]

    def print(self, end: str) -> None:
        self.text = self.line(end)
        self.handle.update(self)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        share = "" if self.total is None else f'value="{self.done}" max="{self.total}"'
        return f"<progress {share}></progress> <code>{escape(self.text)}</code>"


def _in_notebook() -> bool:
    """Whether this runs in a cell of a notebook, and not in IPython on a terminal."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


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
    # On a terminal rich prints standard output above the bar. If standard output goes elsewhere, rich must not take it.
    with rich.Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as display:
        task = display.add_task(what, total=total, completed=done, detail="")

        class Rich(Bar):
            def show(self) -> None:
                display.update(task, completed=self.done, detail=self.detail())

        yield Rich(done)


def _number(value: Any) -> str:
    """A float below a thousand with three significant digits, a larger one rounded; anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def duration(seconds: float) -> str:
    """A duration as `45 s`, `12 min` or `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
