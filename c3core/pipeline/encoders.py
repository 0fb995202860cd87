"""The encoders that a pipeline was fitted with: embeddings of any other are refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from c3core.contracts import Encoder, Space
from c3core.errors import C3Error


@dataclass
class FittedEncoders:
    """The encoders of `space`, with the fingerprint of each that the bridge was fitted with, by modality."""

    space: Space
    fingerprints: dict[str, str] = field(default_factory=dict)

    def encoder(self, modality: str) -> Encoder:
        """The space's encoder of a modality. Raises `C3Error` if it is not the one that the bridge was fitted with."""
        encoder = self.space.encoder(modality)
        self.check(modality, encoder.fingerprint)
        return encoder

    def check(self, modality: str, fingerprint: str) -> None:
        """Refuse embeddings of another encoder than the one that the bridge was fitted with."""
        known = self.fingerprints.get(modality, fingerprint)
        if known != fingerprint:
            raise C3Error(
                f"these {modality} embeddings come from another encoder (fingerprint {fingerprint[:8]}…) than the"
                " pipeline's"
                f" ({known[:8]}…). Use the space {self.space.spec!r} that it was fitted with."
            )

    def add(self, modality: str, fingerprint: str) -> None:
        """Note an encoder that the bridge is fitted with: from now on no other will do."""
        self.check(modality, fingerprint)
        self.fingerprints[modality] = fingerprint
