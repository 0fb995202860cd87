"""A space: encoders whose embeddings may be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from c3core.contracts.encoder import Encoder
from c3core.errors import C3Error, WrongCall, near
from c3core.runtime.devices import device_of


class Space:
    """Encoders whose embeddings can be compared: one for each modality, loaded at first use.

    `dim` is the size of an embedding. `encoders` maps a modality to its encoder, or to a function that loads it.
    `load_space(spec)` loads the space again. `folder` is the folder of a space that `c3 connect` wrote, for pipelines
    that are saved with it. `noise_std` maps two modalities to the standard deviation of the alignment noise between
    them, per dimension, if it was measured. `familiar` maps a modality to the `Familiarity` of what its encoder was
    trained on, to warn of other items. `samples` maps a modality to a function that gives some typical sources.
    """

    def __init__(
        self,
        spec: str,
        dim: int,
        encoders: Mapping[str, Encoder | Callable[[], Encoder]],
        *,
        folder: Path | None = None,
        noise_std: Mapping[tuple[str, str], float] | None = None,
        familiar: Mapping[str, Any] | None = None,
        samples: Mapping[str, Callable[[], Sequence[Any]]] | None = None,
    ) -> None:
        self.spec, self.dim, self.folder = spec, dim, folder
        self.noise_std, self.familiar, self.samples = dict(noise_std or {}), dict(familiar or {}), dict(samples or {})
        self._encoders = dict(encoders)
        self._device: torch.device | None = None

    def __repr__(self) -> str:
        return f"Space({self.spec}, dim={self.dim}, takes {', '.join(self.modalities)})"

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self._encoders)

    @property
    def device(self) -> torch.device | None:
        """The device of the encoders; None as long as none is loaded and no device was asked for."""
        loaded = (encoder.device for encoder in self._encoders.values() if isinstance(encoder, Encoder))
        return next(loaded, self._device)

    def to(self, device: str | torch.device) -> Self:
        """Move the encoders to a device, in place: those that are loaded now, the others when they are loaded."""
        self._device = device_of(device)
        for encoder in self._encoders.values():
            if isinstance(encoder, Encoder):
                encoder.to(self._device)
        return self

    def require(self, modality: str) -> None:
        """Raise `WrongCall` for a modality that the space does not have."""
        if not isinstance(modality, str):
            kind, known = type(modality).__name__, ", ".join(self.modalities)
            raise WrongCall(f"a modality is a string ({known}), not a {kind}. Write encode(sources, modality).")
        if modality not in self._encoders:
            raise WrongCall(f"space {self.spec!r} has no modality {modality!r}: {near(modality, self._encoders)}")

    def encoder(self, modality: str) -> Encoder:
        """Return the encoder of a modality. Raises `WrongCall` for a modality that the space does not have."""
        self.require(modality)
        found = self._encoders[modality]
        if not isinstance(found, Encoder):
            found = self._encoders[modality] = found()
            if self._device is not None:
                found.to(self._device)
        if (found.modality, found.dim) != (modality, self.dim):
            raise C3Error(
                f"the {modality} encoder of space {self.spec!r} is of {found.modality} with {found.dim} dimensions, not"
                f" of {modality} with {self.dim}."
            )
        return found

    def encode(self, sources: Iterable[Any], modality: str, *, batch_size: int = 64) -> Tensor:
        """Return embeddings (n, dim), float32 of unit norm: the same as `encoder(modality).encode(sources)`."""
        return self.encoder(modality).encode(sources, batch_size=batch_size)
