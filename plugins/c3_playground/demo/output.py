"""Print the steps of a demo."""

from __future__ import annotations


def print_step(step: str, line: str) -> None:
    """Print one line after the name of a step, which is colored on a terminal."""
    from rich.console import Console

    Console(highlight=False).print(f"[bold cyan]{step:8}[/] {line}", soft_wrap=True)
