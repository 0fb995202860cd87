"""The errors and warnings that a user is meant to read: each says what is wrong, and what to do."""

from __future__ import annotations

import difflib
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from traceback import walk_tb
from types import FrameType
from typing import Any


class C3Error(Exception):
    """One or two lines for the user: what is wrong and what to do. The command line prints it without a traceback.

    Catch this for every error that c3core raises on purpose, or one of its kinds: `WrongCall`, `NotInstalled`,
    `CorruptFile`, `NotReachable`.
    """

    def __reduce__(self) -> Any:
        """Pickle by the message and the attributes, so that every kind travels between processes."""
        return _restore, (type(self), self.args, dict(self.__dict__))


class WrongCall(C3Error, ValueError):
    """The request is wrong: an unknown name, or an option, a field or an argument that cannot be. No work was done."""


class NotInstalled(C3Error, ImportError):
    """A package, a plugin or a program that this needs is not installed."""


class CorruptFile(C3Error, OSError):
    """A file is truncated, changed, incomplete or not of the format that it should have."""


class NotReachable(C3Error, ConnectionError):
    """The Hugging Face hub, or another address of the network, does not answer."""


def _restore(kind: type[C3Error], args: tuple[Any, ...], attributes: dict[str, Any]) -> C3Error:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


def warn(message: str) -> None:
    """Issue a `UserWarning` that shows the line which called `c3core` or a plugin, not a line of theirs.

    A plugin is a package whose name begins with `c3_`. Other libraries may stand between frames of theirs, so the line
    is that of the caller of the outermost one. A thread that they started has no such caller.
    """
    frame: FrameType | None = sys._getframe(1)
    shown = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(("c3core", "c3_")):
            shown = frame.f_back or frame
        frame = frame.f_back
    names = shown.f_globals
    registry = names.setdefault("__warningregistry__", {})  # where Python notes what was shown already
    warnings.warn_explicit(
        message, UserWarning, shown.f_code.co_filename, shown.f_lineno, module=names.get("__name__"), registry=registry
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint of the known names that are near to an unknown one; "" if none is."""
    lower = {one.lower(): one for one in sorted(known)}
    close = [lower[one] for one in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    return f"did you mean {' or '.join(close)}?" if close else ""


def near(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name, as the end of a sentence: the near ones if there are any, else all that are known.

    >>> near("c33", ["c1", "c3"])
    'did you mean c3?'
    >>> near("zebra", ["c1", "c3"])
    'known: c1, c3.'
    """
    known = sorted(known)
    return did_you_mean(name, known) or f"known: {', '.join(known) or 'none'}."


def lines_of(error: BaseException) -> list[str]:
    """The lines of an error's message without blank ones, or its type if it has no message.

    >>> lines_of(ValueError("no room\\n\\n  in the file")), lines_of(KeyError())
    (['no room', 'in the file'], ['KeyError'])
    """
    return [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]


# Of the code, not of a file that it reads.
MISTAKES = (NameError, AttributeError, TypeError, ImportError, SyntaxError)


def reason_of(error: BaseException, module: str) -> str:
    """The message of an error, and of a mistake in code also its type, file and line, as `located` has them."""
    if isinstance(error, MISTAKES) and not isinstance(error, C3Error):
        return located(error, module)
    return str(error) or type(error).__name__


def located(error: BaseException, module: str) -> str:
    """The type, message, file and line of an error, as one line. The line is one of the package of `module`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"SyntaxError: {error.msg} ({error.filename}, line {error.lineno})"
    frames = walk_tb(error.__traceback__)
    package = module.partition(".")[0]
    own = [(frame, line) for frame, line in frames if str(frame.f_globals.get("__name__")).split(".")[0] == package]
    place = f" ({own[-1][0].f_code.co_filename}, line {own[-1][1]})" if own else ""
    return f"{type(error).__name__}: {' '.join(lines_of(error))}{place}"


@contextmanager
def library_errors(what: str, advice: str, kind: type[C3Error] = C3Error) -> Iterator[None]:
    """Turn whatever a library raises inside into one line: `what`, the library's reason and `advice`.

    A `C3Error` passes as it is. `kind` is the type of the error that is raised.

    >>> with library_errors("a.pt cannot be read", "Save it again."):
    ...     raise OSError("unexpected end of file")
    Traceback (most recent call last):
    ...
    c3core.errors.C3Error: a.pt cannot be read: unexpected end of file. Save it again.
    """
    try:
        yield
    except C3Error:
        raise
    except Exception as error:  # each library has its own kinds
        lines = lines_of(error)
        reason = lines[1] if lines[0].startswith("Error(s) in loading") and len(lines) > 1 else lines[0]
        raise kind(f"{what}: {reason[:300].rstrip('.:')}. {advice}") from error
