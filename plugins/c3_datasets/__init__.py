"""Tables of well-known data sets, in their authors' formats: pictures, sounds or videos, and captions.

`karpathy:dataset_coco.json?split=test&images=photos` goes wherever a table goes.
"""

from __future__ import annotations

from c3core.registry import Register, hookimpl


@hookimpl
def c3_tables(register: Register) -> None:
    register(
        "karpathy",
        "c3_datasets.karpathy:table",
        modalities=("image", "text"),
        summary="COCO, Flickr8k, Flickr30k: karpathy:dataset_coco.json?split=test&images=FOLDER",
    )
    register(
        "coco",
        "c3_datasets.coco:table",
        modalities=("image", "text"),
        summary="captions as COCO gives them: coco:captions_val2017.json?images=FOLDER",
    )
    register(
        "clotho",
        "c3_datasets.clotho:table",
        modalities=("audio", "text"),
        summary="Clotho: clotho:FOLDER?split=evaluation",
    )
    register(
        "audiocaps",
        "c3_datasets.audiocaps:table",
        modalities=("audio", "text"),
        summary="AudioCaps: audiocaps:test.csv?audio=FOLDER",
    )
    register(
        "msrvtt",
        "c3_datasets.msrvtt:table",
        modalities=("video", "text"),
        summary="MSR-VTT: msrvtt:MSRVTT_data.json?split=test&videos=FOLDER",
    )
    register(
        "hf-dataset",
        "c3_datasets.hub:table",
        modalities=("image", "audio", "video", "text"),
        requires=("datasets",),
        extra="datasets",
        summary="any of the Hugging Face hub: hf-dataset:NAME?split=test&image=COLUMN&text=COLUMN",
    )
