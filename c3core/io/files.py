"""Writing files so that a kill or a full disk in the middle leaves the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from c3core.errors import C3Error, CorruptFile

PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".npz"}  # suffixes of files that may hold one

_UMASK = os.umask(0o022)  # the only way to read it is to set it
os.umask(_UMASK)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path`; when the block ends well, flush it to disk and rename it to `path`.

    An `OSError` on the way (no room, no permission; safetensors has an error of its own for these) becomes a `C3Error`
    that names the file; the temporary is removed.

    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    # The suffix stays last: writers such as Pillow choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fchmod(handle.fileno(), 0o666 & ~_UMASK)  # some writers make their file for the owner alone
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except C3Error:
        raise
    except (OSError, SafetensorError) as error:
        raise unwritten(path, error) from error
    finally:
        with suppress(OSError):  # a read-only folder: there is no temporary to remove, and the error above says so
            temporary.unlink(missing_ok=True)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder with those above it, unless it is there; a `C3Error` says why it cannot be."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise C3Error(f"cannot write to {path}: {error.strerror}. Choose another folder.") from error


@contextmanager
def working_folder(named: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """The folder that was named, or a temporary one; who stops the work there is told that nothing is left of it."""
    if named:
        yield Path(named)
        return
    with tempfile.TemporaryDirectory() as temporary:
        try:
            yield Path(temporary)
        except KeyboardInterrupt as interrupt:
            if temporary not in str(interrupt):
                raise
            raise KeyboardInterrupt("stopped. Nothing is kept of it: the folder was a temporary one.") from None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_text(path: str | os.PathLike[str], text: str) -> None:
    """Add UTF-8 text to the end of a file: for logs, whose last line a kill may cut."""
    try:
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        raise unwritten(path, error) from error


def unwritten(path: str | os.PathLike[str], error: Exception) -> C3Error:
    """The error of a file or folder that cannot be written, with what to do about it."""
    # None: numpy and safetensors say that a write was short in words of their own.
    full = getattr(error, "errno", None) in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Free some room or choose another folder" if full else "Choose another folder"
    return C3Error(f"cannot write {path}: {getattr(error, 'strerror', None) or error}. {advice}.")


def read_json(path: str | os.PathLike[str]) -> Any:
    """The JSON value in a file; a `C3Error` names a file that is missing or is no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CorruptFile(f"{path} is missing. Check the folder's name, or make it again.") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, no JSON, a number of too many digits
        raise CorruptFile(f"{path} cannot be read as JSON ({error}). It may be truncated: make it again.") from error


def sha256(path: str | os.PathLike[str]) -> str:
    """The hexadecimal SHA-256 of a file, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def short_hash(text: str) -> str:
    """The first 32 hexadecimal digits of a text's SHA-256: what fingerprints are written as.

    >>> short_hash("a red circle")
    'a1e4a280d27cad5b1aa05b230031f649'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:32]
