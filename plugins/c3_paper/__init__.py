"""The C3 paper (arXiv 2401.08567): its tables and figures as commands."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_commands(register: Register) -> None:
    register("theory", "c3_paper.theory_command:theory", summary="Measure what the paper's theory claims, and draw it.")
    register("paper", "c3_paper.paper_command:paper", summary="List the paper's tables and figures, or print one.")
    summary = "Train and score a recipe with several bridges."
    register("ablate", "c3_paper.ablation.command:ablate", summary=summary)
    summary = "Measure the modality gap of paired embeddings (Table 1)."
    register("geometry", "c3_paper.geometry.command:geometry", summary=summary)
    summary = "Show what pipelines make of the same inputs, on one page."
    register("compare", "c3_paper.compare_command:compare", summary=summary)
