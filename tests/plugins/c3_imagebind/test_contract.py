"""The contract of an encoder, for each modality of a tiny random model."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

if find_spec("imagebind") is None:
    pytest.skip("needs the extra imagebind", allow_module_level=True)
pytest.importorskip("librosa", reason="needs the extra audio")
pytest.importorskip("av", reason="needs the extra video")

from c3_imagebind.space import load
from c3core import Encoder, load_space
from c3core.testing import EncoderContract


def noise(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def pixels(*shape: int, seed: int) -> np.ndarray:
    return (noise(*shape, seed=seed) * 255).astype(np.uint8)


class Contract(EncoderContract):
    modality: ClassVar[str]
    differentiable = True

    def make(self) -> Encoder:
        torch.set_num_threads(1)
        return load("tiny/random").encoder(self.modality)

    def bad_source(self) -> Any:
        return "nowhere"


class TestText(Contract):
    modality = "text"
    differentiable = False

    def sources(self) -> Sequence[Any]:
        return ["a red circle", "Two dogs run over a lawn.", "rain on a tin roof, far away"]

    def bad_source(self) -> Any:
        return "  "


class TestImage(Contract):
    modality = "image"

    def sources(self) -> Sequence[Any]:
        return [pixels(40, 60, 3, seed=seed) for seed in range(3)]


class TestAudio(Contract):
    modality = "audio"

    def sources(self) -> Sequence[Any]:
        return [(noise(int(seconds * 8000), seed=number) - 0.5, 8000) for number, seconds in enumerate((0.5, 2, 5))]


class TestVideo(Contract):
    modality = "video"

    def sources(self) -> Sequence[Any]:
        return [(pixels(count, 20, 30, 3, seed=count), 10.0) for count in (1, 15, 30)]


class TestDepth(Contract):
    modality = "depth"

    def sources(self) -> Sequence[Any]:
        return [noise(40, 60, seed=seed) for seed in range(3)]


class TestThermal(Contract):
    modality = "thermal"

    def sources(self) -> Sequence[Any]:
        return [Image.fromarray(pixels(40, 60, seed=seed)) for seed in range(3)]


class TestMotion(Contract):
    modality = "imu"

    def sources(self) -> Sequence[Any]:
        return [noise(6, 2000, seed=seed) for seed in range(3)]


def test_it_is_found_by_its_name():
    assert load_space("imagebind:tiny/random").modalities == (
        "text",
        "image",
        "audio",
        "video",
        "depth",
        "thermal",
        "imu",
    )
