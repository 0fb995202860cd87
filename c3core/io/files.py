"""Read and write files. A kill or a full disk leaves the old file or the new one, never half of one."""

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
from c3core.io.layout import path_of

PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".npz"}  # suffixes of files that may hold one

_UMASK = os.umask(0o022)  # the only way to read it is to set it
os.umask(_UMASK)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path`; after the block, flush that file to disk and rename it to `path`.

    Raises a `C3Error` that names the file if it cannot be written. The temporary file is removed in any case.

    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = path_of(path)
    # Keep the suffix last: writers such as Pillow choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as handle:
            os.fchmod(handle.fileno(), 0o666 & ~_UMASK)  # some writers make a file that only its owner may read
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except C3Error:
        raise
    except (OSError, SafetensorError) as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):  # in a read-only folder there is no temporary file
            temporary.unlink(missing_ok=True)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and those above it, if they do not exist. Raises `C3Error` if that fails."""
    folder = path_of(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise C3Error(f"cannot write to {folder}: {error.strerror}. Choose another folder.") from error
    return folder


@contextmanager
def working_folder(folder: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Yield the folder, or a temporary one for None. Then an error that names the folder says that it is gone."""
    if folder:
        yield path_of(folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        try:
            yield Path(temporary)
        except KeyboardInterrupt as interrupt:
            if temporary not in str(interrupt):
                raise
            raise KeyboardInterrupt("stopped. Nothing is kept, because the folder was a temporary one.") from None
        except C3Error as error:
            if temporary in str(error):
                error.args = (f"{error} That folder was temporary and is gone. Name a folder to keep it.",)
            raise


def refuse_pickles(folder: Path, *, lone: bool = False) -> None:
    """Raise `C3Error` if a folder holds pickled weights, because reading them could run any code.

    With `lone`, ignore pickles beside safetensors: folders of the hub often hold both, and only the latter are read.
    """
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES and not (lone and list(path.parent.glob("*.safetensors"))):
            raise C3Error(f"{path} looks like pickled weights, which are never read. Take it away, or use safetensors.")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def append_text(path: str | os.PathLike[str], text: str) -> None:
    """Append UTF-8 text to a log. A kill may cut its last line."""
    try:
        with open(path, "a", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: str | os.PathLike[str], error: Exception) -> C3Error:
    """The error to raise if a file or folder cannot be written, with what to do about it."""
    # numpy and safetensors raise errors without a number if the disk is full.
    full = getattr(error, "errno", None) in (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Free some room or choose another folder" if full else "Choose another folder"
    return C3Error(f"cannot write {path}: {getattr(error, 'strerror', None) or error}. {advice}.")


def read_json(path: str | os.PathLike[str]) -> Any:
    """The JSON value in a file. Raises `CorruptFile` if it is missing or holds no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CorruptFile(f"{path} is missing. Check the folder's name, or make it again.") from error
    except (OSError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, or a very long number
        raise CorruptFile(f"{path} cannot be read as JSON ({error}). It may be truncated: make it again.") from error


def sha256(path: str | os.PathLike[str]) -> str:
    """The hexadecimal SHA-256 of a file, read in pieces."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def printable(text: str) -> str:
    """The text as UTF-8 can hold it: bytes of a file name that are not UTF-8 become `\\udc…` escapes."""
    return text.encode(errors="backslashreplace").decode()


def short_hash(text: str) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of a text, which may name a file that is not UTF-8.

    >>> short_hash("a red circle")
    'a1e4a280d27cad5b1aa05b230031f649'
    """
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:32]
