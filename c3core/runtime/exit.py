"""How a program ends where it cannot go on, or was stopped: a line on standard error and an exit status, never a
traceback.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from c3core.errors import C3Error, WrongCall, lines_of
from c3core.runtime.memory import is_out_of_memory

SOON = 0.05  # seconds
SMALLER = "a smaller batch_size, size or model"


@contextmanager
def exit_cleanly() -> Iterator[None]:
    """Around a whole program, or as a decorator of its main function: `c3` and the examples end alike.

    A `WrongCall` exits with 2, any other `C3Error` with 1, too little memory with 1, Ctrl-C with
    130 (with `… | tee` it ends the reader, too); a reader that has seen enough (`… | head`) ends it well. Warnings are
    a line each. Any other error is a defect of the program and keeps its traceback.

    >>> @exit_cleanly()
    ... def main():
    ...     raise C3Error("no such folder. Check its name.")
    >>> main()
    Traceback (most recent call last):
    ...
    SystemExit: 1
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started this
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  to the end
    shown, dropped = warnings.showwarning, sys.unraisablehook
    warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
    sent = threading.Timer(SOON, _press)  # not started yet

    def not_dropped(said: Any) -> None:
        """Python drops what is raised while an object is deleted. Ctrl-C that falls there is sent again, or work would
        go on.
        """
        nonlocal sent
        if not issubclass(said.exc_type, KeyboardInterrupt):
            dropped(said)
            return
        sent.cancel()
        sent = threading.Timer(SOON, _press)
        sent.daemon = True
        sent.start()

    sys.unraisablehook = not_dropped
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        _say(str(interrupt) or "stopped.")
        raise SystemExit(130) from None
    except BrokenPipeError as broken:
        interrupted, unread = _interrupted(broken), _is_broken(sys.stdout)
        if not (interrupted or unread or _is_broken(sys.stderr)):
            raise  # of a pipe to some other program
        _to_nowhere(sys.stdout, sys.stderr)
        raise SystemExit(130 if interrupted else 0 if unread else 1) from None
    except C3Error as error:
        _say(f"error: {error}")
        raise SystemExit(2 if isinstance(error, WrongCall) else 1) from None
    except Exception as error:
        if isinstance(error, EOFError):  # in `c3`, click would say "Aborted!" and no more
            raise RuntimeError("a file or stream ended early") from error
        if not is_out_of_memory(error):
            raise
        _say(f"error: there is not enough memory ({lines_of(error)[0]}). Ask for less at once: {SMALLER}.")
        raise SystemExit(1) from None
    finally:
        sent.cancel()
        _say(
            "", end=""
        )  # what others left in the buffer: where nobody reads it, Python would end with a status of its own
        warnings.showwarning, sys.unraisablehook = shown, dropped


def _say(line: str, end: str = "\n") -> None:
    """On standard error, if anybody reads it: work does not end because its log does."""
    try:
        print(line, end=end, file=sys.stderr, flush=True)
    except BrokenPipeError:
        _to_nowhere(sys.stderr)


def _to_nowhere(*streams: Any) -> None:
    """What is still in the buffers is dropped, or Python would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())


def _is_broken(stream: Any) -> bool:
    """Whether the reader of a pipe is gone. Where that cannot be asked (on Windows), it is what a broken pipe is
    about.
    """
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _press() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def _interrupted(error: BaseException | None) -> bool:
    """Whether an error came on the way out from Ctrl-C."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
