"""How results are printed: one JSON document, or a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


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
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)
    with console.capture() as drawn:  # rich ends the program with 1 where `| head` has seen enough
        console.print(table)
    print(drawn.get(), end="")


def one_line(text: str) -> str:
    """Text of which a line break or a tab shows as it is written, so that a line of a list is one item.

    >>> print(one_line("two\\nlines"))
    two\\nlines
    """
    return text.translate({ord(mark): repr(mark)[1:-1] for mark in "\n\r\t"})


def cell(value: Any) -> str:
    """A value as a table shows it.

    >>> cell(27.71), cell(0.0351), cell(None), cell(["text", "image"])
    ('27.7', '0.035', '–', 'text, image')
    """
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 1 or abs(value) < 1e-9 else f"{value:.2g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
