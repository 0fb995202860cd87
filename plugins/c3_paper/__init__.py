"""The C3 paper (arXiv 2401.08567): its tables and figures as commands."""

from __future__ import annotations

from c3core.registry import Register, hookimpl

PUBLISHED = ("table2", "table3", "table4", "table5", "table7")
BASELINES = ("clipcap", "ws_clipcap", "ws_clipcap_multi", "clipre", "magic", "zerocap")


@hookimpl
def c3_commands(register: Register) -> None:
    register("theory", "c3_paper.theory_command:theory", summary="Measure what the paper's theory claims, and draw it.")
    register("paper", "c3_paper.paper_command:paper")
    register("ablate", "c3_paper.ablation.command:ablate")
    register("geometry", "c3_paper.geometry.command:geometry")
    register("compare", "c3_paper.compare_command:compare")


@hookimpl
def c3_published(register: Register) -> None:
    for name in (*PUBLISHED, *BASELINES):
        register(name, "c3_paper.published:rows", summary=f"{name} of the C3 paper")
