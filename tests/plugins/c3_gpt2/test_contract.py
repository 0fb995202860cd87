"""The contract of a decoder, for each kind of language model."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from c3_gpt2.decoder import CaptionDecoder
from c3core.testing.decoders import DecoderContract


class CaptionContract(DecoderContract):
    options: ClassVar = {"max_new_tokens": 12}
    sampling: ClassVar = {"do_sample": True, "temperature": 1.5}
    folder: ClassVar[Path]

    def targets(self) -> list[str]:
        return ["a red circle", "a blue square on the left", "two green triangles", "a yellow star"]


class TestFresh(CaptionContract):
    def make(self) -> CaptionDecoder:
        return CaptionDecoder(8, model="fresh", layers=2, heads=2, width=32, vocabulary=300, device="cpu")


class TestGPT2Folder(CaptionContract):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _use(cls, gpt2_folder: Path) -> None:
        cls.folder = gpt2_folder

    def make(self) -> CaptionDecoder:
        return CaptionDecoder(8, model=str(self.folder), mapping="transformer", mapping_layers=1, device="cpu")


class TestLlamaWithLora(CaptionContract):
    lr = 3e-2  # of random weights, the adapters have all to teach
    steps = 60

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _use(cls, llama_folder: Path) -> None:
        cls.folder = llama_folder

    def make(self) -> CaptionDecoder:
        options = {"train": "lora", "mapping": "linear", "prefix_length": 4}
        return CaptionDecoder(8, model=str(self.folder), device="cpu", **options)
