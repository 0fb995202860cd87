"""The encoders that a pipeline was fitted with: no other ones are taken later."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core import C3Error, load_space
from c3core.pipeline.encoders import FittedEncoders
from tests.helpers.spaces import write_space


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    encoders = FittedEncoders(load_space(str(write_space(tmp_path))))
    encoders.check("text", "anything")  # nothing is fitted yet
    encoders.fingerprints |= {"text": "f" * 16, "image": encoders.encoder("image").fingerprint}
    encoders.check("text", "f" * 16)
    with pytest.raises(C3Error, match=r"these text embeddings come from another encoder \(fingerprint gggggggg…\)"):
        encoders.check("text", "g" * 16)
    assert encoders.encoder("image").modality == "image"
    with pytest.raises(C3Error, match="text embeddings come from another encoder"):
        encoders.encoder("text")
