"""The space of a CLIP by its name."""

from __future__ import annotations

from functools import cache

from c3_clip.encoders import ImageEncoder, TextEncoder, VideoEncoder
from c3_clip.naming import parse
from c3_clip.tokens import Tokens
from c3_clip.weights import Clip, config_of, load_clip, load_tokenizer
from c3core.contracts import Space
from c3core.errors import C3Error
from c3core.runtime import device_of, precision_of


def load(argument: str, *, device: str = "auto", precision: str = "float32", seed: int = 0, frames: int = 8) -> Space:
    """The space of `clip:MODEL/WEIGHTS`. The model is loaded when the first encoder is asked for.

    `seed` is of the random weights, `frames` the number that a video is seen by; `?seed=1&frames=16` in the name says
    the same. A precision other than float32 computes by torch's autocast; the weights stay as they are.
    """
    name, given = parse(argument)
    seed, frames = given.get("seed", seed), given.get("frames", frames)
    if not 0 <= seed < 1 << 63 or frames < 1:
        raise C3Error(f"seed must be 0 or more and frames 1 or more, got {seed} and {frames}.")
    where, dtype, config = device_of(device), precision_of(precision), config_of(name)

    @cache
    def clip() -> Clip:
        return load_clip(name, config, seed=seed, device=where)

    @cache
    def image() -> ImageEncoder:
        return ImageEncoder(clip(), dtype)

    options = [
        f"{key}={value}" for key, value, default in (("seed", seed, 0), ("frames", frames, 8)) if value != default
    ]
    return Space(
        str(name) + ("?" + "&".join(options) if options else ""),
        int(config["embed_dim"]),
        {
            "text": lambda: TextEncoder(clip(), Tokens(load_tokenizer(name, config)), dtype),
            "image": image,
            "video": lambda: VideoEncoder(image(), frames),
        },
    )
