"""Pictures from conditions by diffusion: a small model trained here, and pretrained unCLIP and Kandinsky pipelines."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_decoders(register: Register) -> None:
    register(
        "diffusion",
        "c3_diffusion.decoder:DiffusionDecoder",
        modalities=("image",),
        requires=("diffusers",),
        extra="diffusion",
        summary="pictures from a small diffusion model, trained here in pixels or in an autoencoder's latents",
    )
    register(
        "unclip",
        "c3_diffusion.unclip:UnclipDecoder",
        modalities=("image",),
        requires=("diffusers", "transformers"),
        extra="diffusion",
        summary="pictures from a pretrained Stable unCLIP, through the bridge alone",
    )
    register(
        "kandinsky",
        "c3_diffusion.kandinsky:KandinskyDecoder",
        modalities=("image",),
        requires=("diffusers", "transformers"),
        extra="diffusion",
        summary="pictures from a pretrained Kandinsky 2.2 decoder, through the bridge alone",
    )
