"""The contract of a decoder, for the trained one in pixels and in latents, and for the pretrained ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from c3_diffusion.decoder import DiffusionDecoder
from c3_diffusion.kandinsky import KandinskyDecoder
from c3_diffusion.unclip import UnclipDecoder
from c3core.testing.decoders import DecoderContract


class PictureContract(DecoderContract):
    # Rows start from the same noise: then a picture depends on its condition alone, not on its place in the batch.
    options: ClassVar = {"steps": 3, "noise": "shared"}
    sampling: ClassVar = {"noise": "own"}
    folder: ClassVar[Path]

    def targets(self) -> list[Any]:
        draw = np.random.default_rng(0)
        return [np.full((16, 16, 3), colour, np.uint8) for colour in draw.integers(0, 256, (4, 3))]


class TestPixels(PictureContract):
    steps = 10  # few: a decoder that knows the four pictures by heart draws them from any noise

    def make(self) -> DiffusionDecoder:
        return DiffusionDecoder(8, size=16, widths=(16, 16), layout=4, device="cpu")


class TestPixelsWithASketch(PictureContract):
    steps = 10

    def make(self) -> DiffusionDecoder:
        return DiffusionDecoder(8, size=16, widths=(16, 16), layout=4, rows=2, device="cpu")


class TestLatents(PictureContract):
    steps = 10

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _use(cls, autoencoder_folder: Path) -> None:
        cls.folder = autoencoder_folder

    def make(self) -> DiffusionDecoder:
        return DiffusionDecoder(
            8, size=16, widths=(16, 16), layout=4, patch=1, autoencoder=str(self.folder), device="cpu"
        )


class TestUnclip(PictureContract):
    options: ClassVar = {**PictureContract.options, "batch_size": 3}

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _use(cls, unclip_folder: Path) -> None:
        cls.folder = unclip_folder

    def make(self) -> UnclipDecoder:
        return UnclipDecoder(16, model=str(self.folder), device="cpu")


class TestKandinsky(PictureContract):
    # One step: through more of them random weights blow the rounding of another batch size up.
    options: ClassVar = {**PictureContract.options, "size": 32, "steps": 1}

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _use(cls, kandinsky_folder: Path) -> None:
        cls.folder = kandinsky_folder

    def make(self) -> KandinskyDecoder:
        return KandinskyDecoder(16, model=str(self.folder), blank=torch.zeros(1, 16), device="cpu")
