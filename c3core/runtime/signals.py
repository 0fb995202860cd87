"""Defer Ctrl-C until work can be saved, as between two training steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

MESSAGE = b"\nstopping after this step; Ctrl-C again stops at once\n"


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether Ctrl-C was pressed, instead of raising; a second Ctrl-C raises at once.

    Does nothing outside of the main thread, or if another handler of the signal is set.

    >>> with deferred_interrupt() as stop:
    ...     stop()
    False
    """
    pressed = False

    def on_interrupt(*_: Any) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with suppress(OSError):  # Ctrl-C may have ended the reader of the log as well
            os.write(2, MESSAGE)  # not `print`, which the signal may have interrupted

    applies = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if applies:
        signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: pressed
    finally:
        if applies:
            signal.signal(signal.SIGINT, signal.default_int_handler)
