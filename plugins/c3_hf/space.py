"""The space of a contrastive model of transformers by its name."""

from __future__ import annotations

from functools import cache, partial

from c3_hf.encoders import HFEncoder, MediaEncoder, TextEncoder
from c3_hf.model import Loaded, describe, load_model
from c3core.contracts import Encoder, Space
from c3core.runtime import device_of, precision_of


def load(argument: str, *, device: str = "auto", precision: str = "float32") -> Space:
    """The space of `hf:ORG/NAME` or `hf:FOLDER`. Weights are read when the first encoder is asked for.

    A precision other than float32 computes by torch's autocast; the weights stay as they are.
    """
    described, where, dtype = describe(argument), device_of(device), precision_of(precision)

    @cache
    def loaded() -> Loaded:
        return load_model(described, device=where)

    def encoder(modality: str) -> Encoder:
        made: HFEncoder = (
            TextEncoder(loaded(), dtype) if modality == "text" else MediaEncoder(loaded(), modality, dtype)
        )
        return made

    return Space(
        f"hf:{described.name}",
        described.dim,
        {modality: partial(encoder, modality) for modality in described.modalities},
    )
