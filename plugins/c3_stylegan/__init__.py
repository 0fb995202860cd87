"""Pictures from conditions: a StyleGAN2 whose styles are conditioned, trained as in LAFITE, and LAFITE's own."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_decoders(register: Register) -> None:
    register(
        "stylegan",
        "c3_stylegan.decoder:StyleGANDecoder",
        modalities=("image",),
        summary="pictures of 32 to 256 pixels from a StyleGAN2, trained as in LAFITE",
    )
    register(
        "lafite",
        "c3_stylegan.lafite.decoder:LafiteDecoder",
        modalities=("image",),
        summary="pictures of 256 pixels, by LAFITE's networks, trained further from its weights",
    )
