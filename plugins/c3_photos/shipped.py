"""Load the space and the captioner that ship: heads on the frozen towers, and a small GPT-2.

`connect.yaml`, `caption.yaml` and `reward.yaml` are the recipes that made them from Flickr8k, one after the other.
"""

from __future__ import annotations

from pathlib import Path

from c3_photos.likeness import why_no_photo
from c3_photos.samples import sample_photos, sample_sentences
from c3core.contracts import Space
from c3core.errors import WrongCall, warn
from c3core.spaces import load_connected

WEIGHTS = Path(__file__).parent / "weights"
LICENSE = "research use only: trained on Flickr8k"


def space(
    argument: str, *, device: str = "auto", precision: str = "float32", features: str | Path | None = None
) -> Space:
    """The space `photos`: photos and sentences in 512 dimensions. `features` is as for `load_connected`."""
    if argument:
        raise WrongCall(f"the space photos takes no argument, got {argument!r}. Write photos.")
    warn(f"The weights of photos are for {LICENSE}.")
    space = load_connected(
        WEIGHTS / "space",
        device=device,
        precision=precision,
        spec="photos",
        features=features,
        unlike={"image": why_no_photo},
    )
    space.samples = {"image": sample_photos, "text": sample_sentences}
    return space


def captioner() -> Path:
    """The folder of `photos/captioner`."""
    return WEIGHTS / "captioner"
