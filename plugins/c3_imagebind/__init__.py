"""Bring ImageBind as a space of text, pictures, sounds, videos, depth, thermal pictures and motion."""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_spaces(register: Register) -> None:
    register(
        "imagebind",
        "c3_imagebind.space:load",
        modalities=("text", "image", "audio", "video", "depth", "thermal", "imu"),
        requires=("imagebind", "einops", "ftfy", "iopath", "regex", "timm", "torchvision", "transformers"),
        extra="imagebind",
        summary="ImageBind (weights CC-BY-NC-SA 4.0): imagebind:huge, or imagebind:tiny/random to try things out",
    )
