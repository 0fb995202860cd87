"""The C3 paper (arXiv 2401.08567): its tables and figures as commands."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_commands(register: Register) -> None:
    register("theory", "c3_paper.theory_command:theory", summary="Measure what the paper's theory claims, and draw it.")
