"""The contract of a decoder, for one that keeps its sentences."""

from __future__ import annotations

from c3_retrieval.decoder import RetrievalDecoder
from c3core.testing.decoders import DecoderContract


class TestAll(DecoderContract):
    def make(self) -> RetrievalDecoder:
        return RetrievalDecoder(8, device="cpu", precision="float32")

    def targets(self) -> list[str]:
        return ["a red circle", "a blue square on the left", "two green triangles", "a yellow star"]


class TestSample(TestAll):
    def make(self) -> RetrievalDecoder:
        return RetrievalDecoder(8, device="cpu", size=3)
