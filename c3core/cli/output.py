"""What commands share: a check of `--out`, and how they say what was bad."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from c3core.errors import WrongCall


def no_file(path: Path | None) -> Path | None:
    """The callback of `--out`: what is a file already cannot be the folder, which is better said before hours of work."""
    if path is not None and os.path.isfile(path):  # unlike `path.is_file()` it raises nothing over a name that is too long
        raise WrongCall(f"--out {path} is a file. Name a folder.")
    return path


def report_bad(bad: Iterable[Any], count: int, total: int, what: str = "item(s)") -> None:
    """The first ten of `count` bad items, and the count, on standard error."""
    for item in islice(bad, 10):
        print(f"left out: {item}", file=sys.stderr)
    if count > 10:
        print(f"left out: {count - 10} more", file=sys.stderr)
    if count:
        print(f"{count} of {total} {what} could not be read", file=sys.stderr)
