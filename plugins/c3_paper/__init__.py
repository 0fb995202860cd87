"""The C3 paper (arXiv 2401.08567): its tables and figures as commands."""

from __future__ import annotations

from c3core.registry import Register, hookimpl

PUBLISHED = ("table2", "table3", "table4", "table5", "table7")
BASELINES = ("clipcap", "ws_clipcap", "ws_clipcap_multi", "clipre", "magic", "zerocap")
COCO = {
    "cider": "CIDEr",
    **{f"bleu{n}": f"BLEU-{n}" for n in range(1, 5)},
    "rouge1": "ROUGE-1",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR 1.5, by Java",
    "spice": "SPICE, by Java 8 and Stanford's models",
}


@hookimpl
def c3_commands(register: Register) -> None:
    register("theory", "c3_paper.theory_command:theory", summary="Measure what the paper's theory claims, and draw it.")
    register("paper", "c3_paper.paper_command:paper")
    register("ablate", "c3_paper.ablation.command:ablate")
    register("geometry", "c3_paper.geometry.command:geometry")
    register("compare", "c3_paper.compare_command:compare")


@hookimpl
def c3_metrics(register: Register) -> None:
    for name, summary in COCO.items():
        register(
            name,
            f"c3_paper.metrics.coco:{name}",
            modalities=("text",),
            requires=("pycocoevalcap",),
            extra="metrics",
            summary=summary,
            default=True,
        )
    register(
        "spider",
        "c3_paper.metrics.sounds:spider",
        modalities=("text",),
        requires=("pycocoevalcap",),
        extra="metrics",
        summary="SPIDEr: the mean of CIDEr and SPICE",
    )
    register(
        "fense",
        "c3_paper.metrics.sounds:fense",
        modalities=("text",),
        requires=("aac_metrics",),
        extra="fense",
        summary="FENSE, by aac-metrics",
    )
    register(
        "inception",
        "c3_paper.metrics.inception:inception",
        modalities=("image",),
        requires=("torch_fidelity",),
        extra="metrics",
        summary="FID, KID and inception score by Inception v3",
    )


@hookimpl
def c3_published(register: Register) -> None:
    for name in (*PUBLISHED, *BASELINES):
        register(name, "c3_paper.published:rows", summary=f"{name} of the C3 paper")
