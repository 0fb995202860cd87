"""Bring the multi-modal models of sentence-transformers as spaces."""

from __future__ import annotations

from c3core import hookimpl
from c3core.registry import Register


@hookimpl
def c3_spaces(register: Register) -> None:
    register(
        "st",
        "c3_st.space:load",
        modalities=("text", "image", "audio"),
        requires=("sentence_transformers", "torchvision"),
        extra="st",
        summary="multi-modal models of sentence-transformers: st:org/name or st:FOLDER",
    )
