"""Load ImageBind's space by its name, `imagebind:SIZE/WEIGHTS`."""

from __future__ import annotations

import re
from functools import cache, partial
from pathlib import Path
from typing import Any

from c3_imagebind.encoder import ROUTES, ImageBindEncoder
from c3_imagebind.sizes import SIZES, size_of
from c3_imagebind.weights import ADDRESS, is_address, license_of, load_model
from c3core import Space
from c3core.errors import WrongCall

FORMS = (
    "imagebind:huge, imagebind:huge//path/to/imagebind_huge.pth, imagebind:tiny/random or imagebind:FILE.json/WEIGHTS"
)
_WITH_FILE = re.compile(r"(.+?\.json)(?:/(.+))?")
_RANDOM = re.compile(r"random(?:\?seed=(\d{1,18}))?")


def load(
    argument: str, *, device: str = "auto", precision: str = "float32", seed: int = 0, video_reader: str = "pyav"
) -> Space:
    """The space of `imagebind:SIZE/WEIGHTS`. All encoders share one model, which is read when the first is asked for.

    SIZE is "huge", "tiny" or a .json file with fields of `Size`. WEIGHTS is "random", the path of a .pth or
    .safetensors file, or an http(s) address; without WEIGHTS, huge is the official checkpoint. `seed`, or
    "random?seed=1" in the name, draws random weights. `video_reader` is the decoder of `c3core.media.VideoReader`.
    With a half `precision`, torch's autocast computes.

    >>> load("tiny/random").encode(["a red circle"], "text").shape
    torch.Size([1, 64])
    """
    name, source = _split(argument)
    size = size_of(name)
    weights: str | None = source or ADDRESS
    if random := _RANDOM.fullmatch(source):
        seed, weights = int(random[1] or seed), None
        source = f"random?seed={seed}" if seed else "random"
    elif not source and size != SIZES["huge"]:
        raise WrongCall(f"the weights are missing: write imagebind:{name}/random, or imagebind:{name}/FILE.")
    elif source and not is_address(source):
        path = Path(source).expanduser()
        if not path.is_file():
            raise WrongCall(
                f"there is no file {source}. Check its name; an absolute path needs two slashes, as in"
                " imagebind:huge//models/a.pth."
            )
        source = weights = str(path.absolute())  # so that a saved pipeline finds it from any folder
    where = name if name in SIZES else str(Path(name).expanduser().absolute())

    @cache
    def model() -> Any:
        return load_model(size, weights, seed)

    def encoder(modality: str) -> ImageBindEncoder:
        options = {"device": device, "precision": precision, "video_reader": video_reader}
        return ImageBindEncoder(model(), modality, size=size, license=license_of(size, weights), **options)

    spec = f"imagebind:{where}/{source}".rstrip("/")
    return Space(spec, size.out_embed_dim, {modality: partial(encoder, modality) for modality in ROUTES})


def _split(argument: str) -> tuple[str, str]:
    """The size, and the weights or an empty string."""
    name, _, source = argument.partition("/")
    if name in SIZES:  # checked first, because the path of the weights may hold ".json"
        return name, source
    if found := _WITH_FILE.fullmatch(argument):
        return found[1], found[2] or ""
    if not name:
        raise WrongCall(f"the size is missing: write {FORMS}.")
    return name, source
