"""A `java` that runs a script of the shell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

KEEP_ARGUMENTS = (
    "printf '%s\\n' \"$@\" > {folder}/arguments; pwd > {folder}/started_in; "  # with which, and in which folder
)


def put_java(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Put a `java` that runs `script` onto the path. Its process id is written into the file `pid`."""
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho $$ > {folder / 'pid'}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
