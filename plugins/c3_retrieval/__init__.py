"""Captions by retrieval: the nearest sentence of a memory, as in CLIPRe."""

from __future__ import annotations

from c3core import hookimpl
from c3core.registry import Register


@hookimpl
def c3_decoders(register: Register) -> None:
    register(
        "clipre",
        "c3_retrieval.decoder:RetrievalDecoder",
        modalities=("text",),
        summary="the nearest sentence of those that it was fitted on (CLIPRe); nothing is trained",
    )
