"""Captions from conditions: a mapping network in front of a causal language model (GPT-2 by default)."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_decoders(register: Register) -> None:
    register(
        "gpt2",
        "c3_gpt2.decoder:CaptionDecoder",
        modalities=("text",),
        requires=("transformers",),
        extra="gpt2",
        summary="sentences from GPT-2, any other causal language model, or a small one from scratch",
    )
