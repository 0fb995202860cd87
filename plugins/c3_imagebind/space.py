"""`imagebind:SIZE/WEIGHTS` as a space."""

from __future__ import annotations

import re
from functools import cache, partial
from pathlib import Path
from typing import Any

from c3_imagebind.encoder import WAYS, ImageBindEncoder
from c3_imagebind.sizes import SIZES, size_of
from c3_imagebind.weights import ADDRESS, is_address, license_of, model_of
from c3core import Space
from c3core.errors import C3Error

FORMS = (
    "imagebind:huge, imagebind:huge//path/to/imagebind_huge.pth, imagebind:tiny/random or imagebind:FILE.json/WEIGHTS"
)
_WITH_FILE = re.compile(r"(.+?\.json)(?:/(.+))?")
_RANDOM = re.compile(r"random(?:\?seed=(\d{1,18}))?")


def load(argument: str, *, device: str = "auto", precision: str = "float32", seed: int = 0) -> Space:
    """ImageBind's space. Weights are read when an encoder is first asked for, once for all of them.

    `argument` is SIZE/WEIGHTS. SIZE: "huge", "tiny", or a .json file with fields of `Size`. WEIGHTS: "random" (drawn
    from `seed`, which "random?seed=1" says too), the path of a .pth or .safetensors file, an http(s) address; without
    it, huge has the official address.

    >>> load("tiny/random").encode(["a red circle"], "text").shape
    torch.Size([1, 64])
    """
    name, words = _split(argument)
    size = size_of(name)
    weights: str | None = words or ADDRESS
    if random := _RANDOM.fullmatch(words):
        seed, weights = int(random[1] or seed), None
        words = f"random?seed={seed}" if seed else "random"
    elif not words and size != SIZES["huge"]:
        raise C3Error(f"say which weights: imagebind:{name}/random, or imagebind:{name}/ and the path of a file.")
    elif words and not is_address(words):
        if not Path(words).is_file():
            raise C3Error(
                f"no file {words}. Check its name; an absolute path needs two slashes, as in"
                " imagebind:huge//models/a.pth."
            )
        words = weights = str(Path(words).absolute())  # so that a pipeline finds it from any folder
    where = name if name in SIZES else str(Path(name).absolute())

    @cache
    def model() -> Any:
        return model_of(size, weights, seed)

    def encoder(modality: str) -> ImageBindEncoder:
        license = license_of(size, weights)
        return ImageBindEncoder(model(), modality, size=size, license=license, device=device, precision=precision)

    spec = f"imagebind:{where}/{words}".rstrip("/")
    return Space(spec, size.out_embed_dim, {modality: partial(encoder, modality) for modality in WAYS})


def _split(argument: str) -> tuple[str, str]:
    """The size, and the weights or an empty string."""
    name, _, words = argument.partition("/")
    if name in SIZES:  # looked at first, because the path of the weights may have .json in it
        return name, words
    if found := _WITH_FILE.fullmatch(argument):
        return found[1], found[2] or ""
    if not name:
        raise C3Error(f"say which ImageBind: {FORMS}.")
    return name, words
