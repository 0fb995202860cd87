"""The contract of an encoder, for each modality of small models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import c3core
from c3core.contracts import Encoder
from c3core.testing import EncoderContract, PluginContract


class TestPlugin(PluginContract):
    plugin = "c3_st"


class ST(EncoderContract):
    model = modality = ""

    @pytest.fixture(autouse=True)
    def _in(self, models: dict[str, Path]) -> None:
        self.folder = models[self.model]

    def make(self) -> Encoder:
        return c3core.load_space(f"st:{self.folder}").encoder(self.modality)


class TestClipText(ST):
    model, modality = "clip", "text"

    def sources(self) -> Sequence[Any]:
        return ["a dog", "two cats in", "x"]

    def bad_source(self) -> Any:
        return " "


class TestClipImage(ST):
    model, modality = "clip", "image"

    def sources(self) -> Sequence[Any]:
        rng = np.random.default_rng(0)
        return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((60, 90), (48, 48), (17, 80))]

    def bad_source(self) -> Any:
        return "nowhere.jpg"


class TestClapAudio(ST):
    model, modality = "clap", "audio"

    def sources(self) -> Sequence[Any]:
        rng, time = np.random.default_rng(0), np.arange(24000) / 8000
        return [
            (np.sin(440 * 6.28 * time[:6000]), 8000),
            (rng.uniform(-1, 1, 4000), 8000),
            (np.sin(2000 * time) * time / 3, 8000),
        ]

    def bad_source(self) -> Any:
        return "nowhere.wav"
