"""The contract of an encoder, for each modality, on a tiny model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import c3core
from c3core.contracts import Encoder
from c3core.testing import EncoderContract


class Clip(EncoderContract):
    modality = ""

    @pytest.fixture(autouse=True)
    def _in(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> Encoder:
        return c3core.load_space(f"clip:{self.folder}/tiny.json/random", seed=5, frames=3).encoder(self.modality)


class TestText(Clip):
    modality = "text"

    def sources(self) -> Sequence[Any]:
        return ["a red circle", "two dogs run over a wide field", "rain"]

    def bad_source(self) -> Any:
        return " "


class TestImage(Clip):
    modality = "image"

    def sources(self) -> Sequence[Any]:
        rng = np.random.default_rng(0)
        return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((60, 90), (48, 48), (7, 130))]

    def bad_source(self) -> Any:
        return "nowhere.jpg"


class TestVideo(Clip):
    modality = "video"

    def sources(self) -> Sequence[Any]:
        rng = np.random.default_rng(1)
        return [rng.integers(0, 256, (length, 60, 50, 3), dtype=np.uint8) for length in (9, 2, 20)]

    def bad_source(self) -> Any:
        return "nowhere.mp4"
