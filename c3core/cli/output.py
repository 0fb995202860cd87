"""How commands print: JSON documents, tables, and counts of bad items."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from c3core.errors import WrongCall


def no_file(path: Path | None) -> Path | None:
    """The callback of `--out`: what is a file already cannot be the folder, which is better said before hours of work."""
    if path is not None and os.path.isfile(path):  # unlike `path.is_file()` it raises nothing over a name that is too long
        raise WrongCall(f"--out {path} is a file. Name a folder.")
    return path


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A table on standard output: figures to one decimal, small ones to two digits, on the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = any(isinstance(row.get(column), float) for row in rows)
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(column)) for column in columns))
    # Not a terminal: as wide as the table needs, so that lines stay whole in a file.
    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(table)


def cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 1 or abs(value) < 1e-9 else f"{value:.2g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def report_bad(bad: Iterable[Any], count: int, total: int, what: str = "item(s)") -> None:
    """The first ten of `count` bad items, and the count, on standard error."""
    for item in islice(bad, 10):
        print(f"left out: {item}", file=sys.stderr)
    if count > 10:
        print(f"left out: {count - 10} more", file=sys.stderr)
    if count:
        print(f"{count} of {total} {what} could not be read", file=sys.stderr)
