"""The contract of a decoder, with a sketch and without."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from c3_stylegan.decoder import StyleGANDecoder
from c3core.testing.decoders import DecoderContract

SMALL: dict[str, Any] = {"channels": 256, "max_channels": 12, "style_dim": 16, "mapping_layers": 2, "device": "cpu"}


class PictureContract(DecoderContract):
    options: ClassVar = {"truncation": 0}  # else each row has a z of its own
    sampling: ClassVar = {"truncation": 1, "noise": "random"}
    steps = 12

    def targets(self) -> list[np.ndarray]:
        pictures = np.full((3, 32, 32, 3), 200, np.uint8)
        for number, picture in enumerate(pictures):
            picture[8 * number : 8 * number + 12, 10:22, number] = 20
        return list(pictures)


class TestPlain(PictureContract):
    def make(self) -> StyleGANDecoder:
        return StyleGANDecoder(8, **SMALL)


class TestSketch(PictureContract):
    def make(self) -> StyleGANDecoder:
        extra = {"reconstruction": 1.0, "tries": 2, "path_length": 2.0, "path_length_every": 2, "r1_every": 2}
        return StyleGANDecoder(8, rows=2, hidden=32, **extra, **SMALL)
