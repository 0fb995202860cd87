"""Bring the CLIP models of open_clip as spaces of text, image and video."""

from __future__ import annotations

from c3core import hookimpl
from c3core.registry import Register


@hookimpl
def c3_spaces(register: Register) -> None:
    register(
        "clip",
        "c3_clip.space:load",
        modalities=("text", "image", "video"),
        requires=("open_clip",),
        extra="clip",
        summary="any CLIP of open_clip: clip:ViT-B-32/openai",
    )
