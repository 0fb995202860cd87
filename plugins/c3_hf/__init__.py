"""Bring the contrastive models of transformers as spaces of text with images or audio."""

from __future__ import annotations

from c3core import hookimpl
from c3core.registry import Register


@hookimpl
def c3_spaces(register: Register) -> None:
    register(
        "hf",
        "c3_hf.space:load",
        modalities=("text", "image", "audio"),
        requires=("transformers", "torchvision"),
        extra="hf",
        summary="contrastive models of transformers (CLIP, SigLIP, CLAP, …): hf:org/name or hf:FOLDER",
    )
