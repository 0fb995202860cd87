"""How a program ends where it cannot go on, or was stopped: a line on standard error and an exit status, never a traceback."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from c3core.errors import C3Error, lines_of

SOON = 0.05  # seconds


@contextmanager
def plain_end() -> Iterator[None]:
    """Around a whole program, or as a decorator of its main function: `c3` and the examples end alike.

    A `C3Error` exits with its status (2 a wrong call, 1 where the work failed), too little memory with 1, Ctrl-C with 130; a reader
    of the output that has seen enough (`… | head`) ends it well. Warnings are a line each. Any other error is a defect of the
    program and keeps its traceback.

    >>> @plain_end()
    ... def main():
    ...     raise C3Error("no such folder. Check its name.")
    >>> main()
    Traceback (most recent call last):
    ...
    SystemExit: 1
    """
    shown, dropped = warnings.showwarning, sys.unraisablehook
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    sys.unraisablehook = _not_dropped
    try:
        yield
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "stopped.", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except C3Error as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None
    except Exception as error:
        if not no_memory(error):
            raise
        print(f"error: there is not enough memory ({lines_of(error)[0]}). Ask for less at once: {SMALLER}.", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        warnings.showwarning, sys.unraisablehook = shown, dropped


SMALLER = "a smaller batch_size, size or model"
# Torch has an error of its own on an accelerator alone: on a processor it raises what any mistake raises.
UNALLOCATED = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "storage size calculation overflowed",
)


def no_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice.

    >>> no_memory(MemoryError()), no_memory(ValueError("wrong shape"))
    (True, False)
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in UNALLOCATED)


def _not_dropped(said: Any) -> None:
    """Python drops what is raised while an object is deleted. Ctrl-C that falls there is sent again, or the work would go on."""
    if issubclass(said.exc_type, KeyboardInterrupt):
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(SOON, signal.pthread_kill, (main, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(said)
