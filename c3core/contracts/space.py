"""A space: encoders whose embeddings may be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from c3core.contracts.encoder import Encoder
from c3core.errors import C3Error, WrongCall, near


class Space:
    """Encoders whose embeddings may be compared: a dimension and one encoder per modality, loaded when first asked for.

    `spec` is what `load_space` takes to load it again; `folder` is set for a space that lives in a folder (`c3 connect`
    wrote it), so that a pipeline can carry it along.
    """

    def __init__(
        self,
        spec: str,
        dim: int,
        encoders: Mapping[str, Encoder | Callable[[], Encoder]],
        *,
        folder: Path | None = None,
    ) -> None:
        self.spec, self.dim, self.folder = spec, dim, folder
        self._encoders = dict(encoders)

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self._encoders)

    def encoder(self, modality: str) -> Encoder:
        """The encoder of a modality; a `C3Error` names the known ones."""
        if modality not in self._encoders:
            raise WrongCall(f"space {self.spec!r} has no modality {modality!r}: {near(modality, self._encoders)}")
        found = self._encoders[modality]
        if not isinstance(found, Encoder):
            found = self._encoders[modality] = found()
        if (found.modality, found.dim) != (modality, self.dim):
            raise C3Error(
                f"space {self.spec!r} gives for {modality} an encoder of {found.modality} with {found.dim}"
                " dimensions, not of"
                f" {modality} with {self.dim}. The two must say the same."
            )
        return found

    def encode(self, sources: Iterable[Any], modality: str, *, batch_size: int = 64) -> Tensor:
        """`encoder(modality).encode(sources)`: (n, dim) float32 of unit norm."""
        return self.encoder(modality).encode(sources, batch_size=batch_size)
