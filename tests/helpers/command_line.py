"""Run `c3` in tests."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout

import pytest

from c3core.cli import main


def c3(*words: object) -> subprocess.CompletedProcess[str]:
    """`c3` in this process: to import torch takes most of the seconds that one of its own needs."""
    command, status, said, complained = ["c3", *map(str, words)], 0, io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(said),
        redirect_stderr(complained),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        patch.setattr(sys, "argv", command)
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return subprocess.CompletedProcess(command, status, said.getvalue(), complained.getvalue())


def in_a_process(
    *words: object, largest_file: int | None = None, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """`c3` as a user calls it."""
    limit = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_file}, {largest_file})); "
        if largest_file
        else ""
    )
    command = [sys.executable, "-c", f"{limit}from c3core.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, encoding=encoding, timeout=120, check=False)


def fails(*words: object, status: int = 1, says: str) -> None:
    done = c3(*words)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 4
