"""Read the lines of text files that users write, and the paths that they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from c3core.errors import C3Error, CorruptFile, WrongCall, near

LIST = ".txt"  # of one item a line
LONGEST_LINE = 1 << 24  # bytes: beyond this a "line" is a binary file without line ends, not a sentence


def decoded(name: str) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file with their numbers. Raises `C3Error` with the line that is not text."""
    if os.path.exists(name) and not os.path.isfile(name):  # reading a pipe may never end
        raise C3Error(f"{name} is not a regular file. Leave it out, or write it to a file.")
    try:
        with open(name, "rb") as handle:
            for number, raw in enumerate(iter(partial(handle.readline, LONGEST_LINE), b""), start=1):
                line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
                if len(raw) == LONGEST_LINE:
                    raise C3Error(f"{name}: line {number} is longer than {LONGEST_LINE >> 20} MB. Is it a list?")
                if b"\0" in line:
                    raise CorruptFile(f"{name}: line {number} holds a NUL byte: it is no plain text. Save it as UTF-8.")
                yield number, line.decode()
    except C3Error:
        raise
    except UnicodeDecodeError as error:
        message = f"{name}: line {number} is not UTF-8 (byte {error.start + 1} of the line). Save the file as UTF-8."
        raise CorruptFile(message) from error
    except FileNotFoundError as error:
        raise WrongCall(f"{name} does not exist{beside(name)}. Check the spelling.") from error
    except OSError as error:
        raise C3Error(f"cannot read {name}: {error.strerror}.") from error


def join(listed_in: str, root: str | Path | None, path: str) -> str:
    """The path that a list or table names: relative to its folder, or to `root`.

    >>> join("photos/list.txt", None, "a.jpg")
    'photos/a.jpg'
    """
    folder = os.path.dirname(listed_in) if root is None else os.path.expanduser(root)
    return os.path.join(folder, os.path.expanduser(path))


def check_root(root: str | Path | None) -> None:
    """Raise `WrongCall` if `root` is no folder, because every path of a list would be missing."""
    if root is not None and not os.path.isdir(os.path.expanduser(root) or "."):
        raise WrongCall(f"root {root} is no folder. Check the spelling.")


def beside(name: str) -> str:
    """A hint for a message: the files of the same folder with similar names, or that an address is not fetched."""
    if "://" in name:
        return " on this machine, and addresses are not fetched"
    try:
        names = os.listdir(os.path.dirname(name) or ".")
    except OSError:
        return ""
    hint = near(os.path.basename(name), names)
    return f" ({hint})" if hint.startswith("did you mean") else ""
