"""Metrics of captions, of captions of sounds, and of pictures by Inception v3, as the literature has them."""

from __future__ import annotations

from c3core.registry import Register, hookimpl

COCO = {
    "cider": "CIDEr",
    **{f"bleu{n}": f"BLEU-{n}" for n in range(1, 5)},
    "rouge1": "ROUGE-1",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR 1.5, by Java",
    "spice": "SPICE, by Java 8 and Stanford's models",
}


@hookimpl
def c3_metrics(register: Register) -> None:
    for name, summary in COCO.items():
        register(
            name,
            f"c3_metrics.captions:{name}",
            modalities=("text",),
            requires=("pycocoevalcap",),
            extra="metrics",
            summary=summary,
            default=True,
        )
    register(
        "spider",
        "c3_metrics.sounds:spider",
        modalities=("text",),
        requires=("pycocoevalcap",),
        extra="metrics",
        summary="SPIDEr: the mean of CIDEr and SPICE",
    )
    register(
        "fense",
        "c3_metrics.sounds:fense",
        modalities=("text",),
        requires=("aac_metrics",),
        extra="fense",
        summary="FENSE, by aac-metrics",
    )
    register(
        "inception",
        "c3_metrics.inception:inception",
        modalities=("image",),
        requires=("torch_fidelity",),
        extra="metrics",
        summary="FID, KID and inception score by Inception v3",
    )
