"""End a program with one line on standard error and an exit status instead of a traceback."""

from __future__ import annotations

import os
import select
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from c3core.errors import C3Error, WrongCall, lines_of
from c3core.runtime.memory import is_out_of_memory


@contextmanager
def exit_cleanly() -> Iterator[None]:
    """Wrap a whole program, or decorate its main function.

    Exits with 2 on a `WrongCall`, with 1 on any other `C3Error` or if memory runs out, and with 130 on Ctrl-C, each
    after one line on standard error. Exits with 0 if the reader of standard output is gone (`… | head`). Shows each
    warning as one line. Any other exception is a defect and keeps its traceback. A character that the encoding of
    standard output or error lacks is printed as its escape (`\\u72ac`).

    >>> @exit_cleanly()
    ... def main():
    ...     raise C3Error("no such folder. Check its name.")
    >>> main()
    Traceback (most recent call last):
    ...
    SystemExit: 1
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the program was started without it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  stays open until the program ends
        stream = getattr(sys, name)
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    showwarning = warnings.showwarning
    warnings.showwarning = lambda message, *_, **__: _print_error(f"warning: {message}\n")
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        _print_error(f"{str(interrupt) or 'stopped.'}\n")
        raise SystemExit(130) from None
    except BrokenPipeError as error:
        interrupted = isinstance(error.__context__, KeyboardInterrupt)  # Ctrl-C ends the reader of `… | tee` as well
        finished = _is_broken(sys.stdout)
        if not (interrupted or finished or _is_broken(sys.stderr)):
            raise  # a pipe to another program, as to a worker
        _discard(sys.stdout, sys.stderr)
        raise SystemExit(130 if interrupted else 0 if finished else 1) from None
    except C3Error as error:
        _print_error(f"error: {error}\n")
        raise SystemExit(2 if isinstance(error, WrongCall) else 1) from None
    except EOFError as error:
        raise RuntimeError("a file or stream ended early") from error  # of an EOFError click prints only "Aborted!"
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _print_error(
            f"error: there is not enough memory ({lines_of(error)[0]}). Use a smaller batch_size, size or model.\n"
        )
        raise SystemExit(1) from None
    finally:
        _print_error("")  # flush what others printed: at exit a closed pipe would change the exit status
        warnings.showwarning = showwarning


def _print_error(text: str) -> None:
    """Print to standard error. Work does not end because nobody reads its log."""
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _discard(sys.stderr)


def _discard(*streams: Any) -> None:
    """Send what is left in the buffers of streams to nowhere: Python would complain about it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())


def _is_broken(stream: Any) -> bool:
    """Whether the reader of a stream is gone."""
    poll = select.poll()
    poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
