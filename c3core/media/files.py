"""Check a file before a codec opens it."""

from __future__ import annotations

import os
import stat

from c3core.errors import C3Error, CorruptFile


def regular_file(source: str | os.PathLike[str]) -> str:
    """Return the absolute path of a plain, readable file that is not empty. Raises `C3Error` with the reason if not.

    Nothing is opened for this check, because opening a pipe or a device may block for ever.

    >>> regular_file("/")
    Traceback (most recent call last):
    ...
    c3core.errors.C3Error: is a directory, not a file
    """
    path = os.path.expanduser(source)
    if not isinstance(path, str):
        raise C3Error("the path is made of bytes: give it as a string")
    if not path.strip():
        raise C3Error("the path is empty")
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        why = "is a link to a file that does not exist" if os.path.islink(path) else "no such file"
        raise C3Error(why) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise C3Error(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise C3Error("is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise C3Error("is a pipe, a socket or a device, not a plain file")
    if status.st_size == 0:
        raise CorruptFile("the file is empty")
    if not os.access(path, os.R_OK):
        raise C3Error("cannot be opened: permission denied")
    return os.path.abspath(path)
