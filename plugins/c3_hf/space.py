"""Load the space of a contrastive model of transformers by its name."""

from __future__ import annotations

from functools import cache, partial

from c3_hf.encoders import MediaEncoder, TextEncoder
from c3_hf.model import Loaded, describe, load_model
from c3core.contracts import Encoder, Space
from c3core.runtime import compute_dtype, device_of


def load(argument: str, *, device: str = "auto", precision: str = "float32") -> Space:
    """The space of `hf:ORG/NAME` or `hf:FOLDER`. The weights are read when the first encoder is asked for.

    With a half `precision`, torch's autocast computes and the weights stay float32.
    """
    described, where = describe(argument), device_of(device)
    dtype = compute_dtype(precision, where)

    @cache
    def loaded() -> Loaded:
        return load_model(described, device=where)

    def encoder(modality: str) -> Encoder:
        return TextEncoder(loaded(), dtype) if modality == "text" else MediaEncoder(loaded(), modality, dtype)

    return Space(
        f"hf:{described.name}",
        described.dim,
        {modality: partial(encoder, modality) for modality in described.modalities},
    )
