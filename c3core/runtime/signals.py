"""Ctrl-C at a moment of one's own choice: between two steps, when what was done can be saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

SAID = b"\nstopping after this step; Ctrl-C again stops at once\n"


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C does not raise: what is yielded tells whether it was pressed, and so does a line on standard
    error. A second one raises at once.

    Only where Ctrl-C would raise: in the main thread, without a handler of somebody else's.

    >>> with deferred_interrupt() as stop:
    ...     stop()
    False
    """
    pressed = False

    def note(*_: Any) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with suppress(OSError):  # nobody may be left to read it: Ctrl-C ends a `| tee` as well
            os.write(2, SAID)  # not `print`: the signal may have come in the middle of one

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
