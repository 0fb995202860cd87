"""What commands share: a check of `--out`, and a report of the items that could not be read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from typer import BadParameter

from c3core.io.journaled_table import TABLES
from c3core.io.layout import path_of
from c3core.runtime.console import one_line


def writable(name: str | Path) -> Path:
    """Return the folder of `--out`. Refuses one that cannot be written, before hours of work."""
    if not str(name).strip():
        raise BadParameter("it is empty. Name a folder; `.` is the one that you are in.")
    path = path_of(name)
    if os.path.isfile(path):  # unlike `path.is_file()` it raises nothing over a name that is too long
        raise BadParameter(f"{path} is a file. Name a folder.")
    there = next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder))
    if not os.path.isdir(there):
        raise BadParameter(f"{path} cannot be made: {there} is no folder. Name another one.")
    if not os.access(there, os.W_OK):
        raise BadParameter(f"{path} cannot be written: no permission in {there}. Name another folder.")
    return path


def table_or_folder(name: str | Path) -> Path:
    """Return what `--out` of `c3 run` names: a table by its suffix, else a folder."""
    path = path_of(name)
    if path.suffix.lower() not in TABLES:
        return writable(name)
    if path.is_dir():
        raise BadParameter(f"{path} is a folder. Name a file.")
    writable(path.parent)
    return path


def report_bad(bad: Iterable[Any], count: int, total: int, what: str = "item(s)") -> None:
    """Print the first ten of `count` bad items, and how many of `total` were bad, to standard error."""
    for item in islice(bad, 10):
        print(f"left out: {one_line(str(item))}", file=sys.stderr)
    if count > 10:
        print(f"left out: {count - 10} more", file=sys.stderr)
    if count:
        print(f"{count} of {total} {what} could not be read", file=sys.stderr)
