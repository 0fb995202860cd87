"""Load the space of a CLIP by its name."""

from __future__ import annotations

from functools import cache

from c3_clip.encoders import ImageEncoder, TextEncoder, VideoEncoder
from c3_clip.model import Clip, config_of, load_clip, load_tokenizer
from c3_clip.naming import parse
from c3_clip.tokens import Tokens
from c3core.contracts import Space
from c3core.errors import WrongCall
from c3core.runtime import compute_dtype, device_of


def load(
    argument: str,
    *,
    device: str = "auto",
    precision: str = "float32",
    seed: int = 0,
    frames: int = 8,
    video_reader: str = "pyav",
) -> Space:
    """The space of `clip:MODEL/WEIGHTS`. The model is loaded when the first encoder is asked for.

    `seed` draws random weights; `frames` is how many frames of a video are embedded. The name can hold both:
    `?seed=1&frames=16`. `video_reader` is the decoder of `c3core.media.VideoReader`. With a half `precision`, torch's
    autocast computes and the weights stay float32.
    """
    name, options = parse(argument)
    seed, frames = options.get("seed", seed), options.get("frames", frames)
    if not 0 <= seed < 1 << 63 or frames < 1:
        raise WrongCall(f"seed must be 0 or more and frames 1 or more, got {seed} and {frames}.")
    config, where = config_of(name), device_of(device)
    dtype = compute_dtype(precision, where)

    @cache
    def clip() -> Clip:
        return load_clip(name, config, seed=seed, device=where)

    @cache
    def image() -> ImageEncoder:
        return ImageEncoder(clip(), dtype)

    changed = [f"seed={seed}"] * (seed != 0) + [f"frames={frames}"] * (frames != 8)
    return Space(
        f"{name}?{'&'.join(changed)}" if changed else str(name),
        int(config["embed_dim"]),
        {
            "text": lambda: TextEncoder(clip(), Tokens(load_tokenizer(name, config)), dtype),
            "image": image,
            "video": lambda: VideoEncoder(image(), frames, video_reader),
        },
    )
