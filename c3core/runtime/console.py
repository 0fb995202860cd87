"""Print results as one JSON document or as a table."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"[-+]?\d[\d,]*\.\d+( ± \S+)?")


def print_json(value: Any) -> None:
    """Print one JSON document to standard output, in ASCII if its encoding is not UTF-8."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(json.dumps(value, indent=2, ensure_ascii=not encoding.lower().startswith("utf")))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print a table to standard output, with numbers aligned to the right and shown as `cell` shows them."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = any(_is_number(row.get(column)) for row in rows)
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(column)) for column in columns))
    # In a file lines may be longer than on a terminal, so that rows stay on one line.
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)
    with console.capture() as drawn:  # printed by rich, `| head` would end the program with status 1
        console.print(table)
    print(drawn.get(), end="")


def _is_number(value: Any) -> bool:
    """Whether a value is a float, or a text that shows one, with a sign or a spread: `42.7 ± 0.3`."""
    return isinstance(value, float) or (isinstance(value, str) and _NUMBER.fullmatch(value) is not None)


def one_line(text: str) -> str:
    """Escape line breaks and tabs, so that a text stays on one line.

    >>> print(one_line("two\\nlines"))
    two\\nlines
    """
    return text.translate({ord(character): repr(character)[1:-1] for character in "\n\r\t"})


def cell(value: Any) -> str:
    """A value as a table shows it: a float with one decimal, or two significant digits if it is below 1.

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
