"""The contract of a decoder, for LAFITE's networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from c3_stylegan.lafite.decoder import LafiteDecoder
from c3core.testing.decoders import DecoderContract
from tests.helpers.lafite import write_lafite


class TestLafite(DecoderContract):
    options: ClassVar = {"truncation": 0}  # else each row has a z of its own
    sampling: ClassVar = {"truncation": 1, "noise": "random"}
    steps = 12
    path: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _file(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.path = write_lafite(tmp_path_factory.mktemp("lafite") / "lafite.safetensors")
        return

    def make(self) -> LafiteDecoder:
        more: dict[str, Any] = {"r1_every": 2, "path_length_every": 2, "mirror": True, "average": 0.9}
        return LafiteDecoder(8, model=str(self.path), device="cpu", **more)

    def targets(self) -> list[np.ndarray]:
        pictures = np.full((3, 16, 16, 3), 200, np.uint8)
        for number, picture in enumerate(pictures):
            picture[4 * number : 4 * number + 6, 5:11, number] = 20
        return list(pictures)
