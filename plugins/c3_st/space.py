"""Load the space of a multi-modal model of sentence-transformers by its name."""

from __future__ import annotations

from functools import partial

from c3_st.encoder import ModelEncoder
from c3_st.model import load_model
from c3core.contracts import Space
from c3core.runtime import compute_dtype, device_of


def load(argument: str, *, device: str = "auto", precision: str = "float32") -> Space:
    """The space of `st:ORG/NAME` or `st:FOLDER`.

    With a half `precision`, torch's autocast computes and the weights stay float32.
    """
    where = device_of(device)
    loaded, dtype = load_model(argument, device=where), compute_dtype(precision, where)
    encoders = {modality: partial(ModelEncoder, loaded, modality, dtype) for modality in loaded.modalities}
    return Space(f"st:{loaded.name}", loaded.dim, encoders)
