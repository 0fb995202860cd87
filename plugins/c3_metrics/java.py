"""Run the Java programs that pycocoevalcap holds."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer

from c3core.errors import C3Error, NotInstalled


def find_java() -> str | None:
    """Return the path of the `java` program, or None."""
    return shutil.which("java")


def package_file(name: str) -> Path:
    """Return the path of a file of the package pycocoevalcap. Raises `NotInstalled` without the package."""
    spec = find_spec("pycocoevalcap")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, name)).is_file():
            return path
    raise NotInstalled(
        f'pycocoevalcap, which holds {Path(name).name}, is not installed. Run: pip install "c3core[metrics]"'
    )


@contextmanager
def java_process(
    what: str, arguments: Sequence[object], *, advice: str, timeout: float, folder: Path | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start `java` in a folder, and yield the process, with pipes of text. It is killed when the block ends.

    Raises `NotInstalled` if there is no Java. Raises `C3Error`, which ends with `advice`, if Java cannot be run, runs
    for more than `timeout` seconds, or if the block raises an error because the answer is wrong.
    """
    program = find_java()
    if program is None:
        raise NotInstalled(f"{what} needs Java, and no `java` was found. Install one.")
    start = time.monotonic()
    with TemporaryFile() as messages:
        try:
            process = subprocess.Popen(
                [program, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                encoding="utf-8",
                errors="replace",  # half of a surrogate pair has no bytes in UTF-8
                cwd=folder,
            )
        except OSError as error:
            raise C3Error(f"{program} cannot be run ({error.strerror or error}). {advice}") from None
        timer = Timer(timeout, process.kill)
        timer.start()
        try:
            yield process
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"took longer than {timeout:g} s"
            if time.monotonic() - start < timeout:
                messages.seek(0)
                lines = messages.read().decode("utf-8", "replace").splitlines()
                lines = [line for line in lines if line.strip() and not line.startswith("\t")]  # no stack trace
                why = f"failed ({'; '.join([str(error), *lines[-1:]])})"
            raise C3Error(f"the Java process of {what} {why}. {advice}") from None
        finally:
            timer.cancel()
            process.kill()
            process.communicate()
