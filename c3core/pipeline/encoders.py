"""The encoders that a pipeline was fitted with, and the encoder of its decoder's own outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.contracts import Bridge, Decoder, Encoder, Space
from c3core.errors import C3Error, WrongCall
from c3core.store.store import Store


@dataclass
class FittedEncoders:
    """The encoders of a space, and by modality the fingerprints of those that the bridge was fitted with."""

    space: Space
    fingerprints: dict[str, str] = field(default_factory=dict)

    def encoder(self, modality: str) -> Encoder:
        """Return the space's encoder of a modality. Raises `C3Error` if the bridge was fitted with another one."""
        encoder = self.space.encoder(modality)
        self.check(modality, encoder.fingerprint)
        return encoder

    def check(self, modality: str, fingerprint: str) -> None:
        """Raise `C3Error` for embeddings of another encoder than the bridge was fitted with."""
        known = self.fingerprints.get(modality, fingerprint)
        if known != fingerprint:
            raise C3Error(
                f"these {modality} embeddings come from another encoder (fingerprint {fingerprint[:8]}…) than the"
                f" pipeline's ({known[:8]}…). Use the space {self.space.spec!r} that it was fitted with."
            )


class BridgedEncoder:
    """The space's encoder of the decoder's modality, then the bridge. The encoder is loaded when it is used.

    `stores` are those of the items of a fit.
    """

    def __init__(
        self, encoders: FittedEncoders, bridge: Bridge, decoder: Decoder, stores: Iterable[Store] = ()
    ) -> None:
        self.encoders, self.bridge = encoders, bridge
        self._stores = [store for store in stores if store.modality != decoder.modality]
        self.name, self.modality, self.condition_dim = decoder.name, decoder.modality, decoder.condition_dim

    def check(self) -> None:
        """Raise `C3Error` if the space has no such encoder, or the bridge does not know the modality."""
        self.encoders.encoder(self.modality)
        if self.modality not in self.bridge.modalities:
            raise WrongCall(
                f"the outputs of decoder {self.name!r} cannot be embedded: the bridge knows no {self.modality} (only"
                f" {', '.join(self.bridge.modalities)}). Give items of {self.modality} to `fit` or `extend`."
            )

    def conditions(self, outputs: Sequence[Any]) -> Tensor:
        """Return the conditions (n, condition_dim) of n outputs, with NaN for those that cannot be read."""
        self.check()
        found = torch.full((len(outputs), self.condition_dim), torch.nan)
        for batch in self.encoders.encoder(self.modality).encode_batches(outputs):
            if batch.index:
                found[batch.index] = self.bridge.condition(batch.embeddings, self.modality).float().cpu()
        return found

    def inputs(self, count: int) -> Tensor:
        """Return the conditions (count, condition_dim) of random items of the other modalities in `stores`."""
        if not len(self._inputs):
            raise WrongCall(f"decoder {self.name!r} looks at items of other modalities, as photos: give `fit` some.")
        return self._inputs[torch.randint(len(self._inputs), (count,))]

    @cached_property
    def _inputs(self) -> Tensor:
        """The conditions of a sample of the items of each other modality."""
        samples = [(store.moments({"sample"}).sample, store.modality) for store in self._stores]
        conditions = [self.bridge.condition(sample, modality).float() for sample, modality in samples]
        return torch.cat(conditions or [torch.empty(0)])

    def with_gradient(self, batch: Tensor) -> Tensor:
        """Return the conditions (n, condition_dim) of a batch for `Encoder.embed_raw`, on the batch's device."""
        self.check()
        embeddings = normalize(self.encoders.encoder(self.modality).embed_raw(batch).float(), dim=-1)
        return self.bridge.condition(embeddings, self.modality).to(batch.device)
