"""Encoders: from items to embeddings, one space for those that may be compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from c3core.contracts.reader import BadItem, BadItems, Reader, name_of
from c3core.errors import C3Error, WrongCall, near
from c3core.refusing import LEAST_NORM, embed_taken


@dataclass(frozen=True)
class Encoded:
    """One batch of a stream of sources.

    `index` (n,) are the positions of the good sources in the stream, `embeddings` (n, dim) float32 of unit norm,
    `norms` (n,) float32 the norms before normalising, `bad` the positions of the other sources with their reasons; `modality`
    and `fingerprint` are the encoder's.
    """

    index: list[int]
    embeddings: Tensor
    norms: Tensor
    bad: list[tuple[int, BadItem]]
    modality: str
    fingerprint: str


class Encoder(ABC):
    """Turns items of one modality into embeddings of one space."""

    space: str
    modality: str
    dim: int
    fingerprint: str  # of weights and preprocessing: a store or a pipeline refuses another encoder's embeddings
    licence: str = "unknown"  # of the weights
    dtype: torch.dtype = torch.float32  # of the model's arithmetic; unit embeddings are float32

    @abstractmethod
    def reader(self) -> Reader:
        """The reader that makes this encoder's items. Holds no model, can be sent to a worker process."""

    @abstractmethod
    def embed(self, items: Sequence[Any]) -> Tensor:
        """(n, dim) embeddings in the model's own scale, on the model's device, differentiable."""

    def embed_raw(self, batch: Tensor) -> Tensor:
        """(n, dim) embeddings of what a decoder made, with gradient, in the model's own scale.

        Pictures are (n, 3, h, w), RGB in 0 .. 1. A loss on a decoder's outputs needs this; few others do, so that the base refuses.
        """
        raise C3Error(
            f"the {self.modality} encoder of {self.space!r} gives no gradient to its input. Leave out the losses that ask for it."
        )

    def embed_items(self, items: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Unit embeddings (n, dim) and norms (n,), float32 on the CPU, without gradient; (0, dim) of an empty batch."""
        if not len(items):
            return torch.zeros(0, self.dim), torch.zeros(0)
        with torch.no_grad():
            raw = self.embed(items).float().cpu()
        norms = raw.norm(dim=-1)
        return raw / norms.clamp_min(LEAST_NORM).unsqueeze(-1), norms

    def encode_batches(self, sources: Iterable[Any], *, batch_size: int = 64) -> Iterator[Encoded]:
        """Read, embed and normalise a stream of sources, batch by batch; bad ones are reported beside the good."""
        if isinstance(sources, str):
            raise C3Error("sources must be a list, not one string. Write [source].")
        if batch_size < 1:
            raise C3Error(f"batch_size must be at least 1, got {batch_size}.")
        reader, start, stream = self.reader(), 0, iter(sources)
        while chunk := list(islice(stream, batch_size)):
            read = [reader(source) for source in chunk]
            items = [(i, item) for i, item in enumerate(read) if not isinstance(item, BadItem)]
            embeddings, norms, refused = embed_taken(self, [item for _, item in items])
            for place, why in refused.items():
                i = items[place][0]
                read[i] = BadItem(name_of(chunk[i]), why)
            good = [start + i for i, item in enumerate(read) if not isinstance(item, BadItem)]
            bad = [(start + i, item) for i, item in enumerate(read) if isinstance(item, BadItem)]
            yield Encoded(good, embeddings, norms, bad, self.modality, self.fingerprint)
            start += len(chunk)

    def encode(self, sources: Iterable[Any], *, batch_size: int = 64) -> Tensor:
        """(n, dim) float32 of unit norm, in the order of the sources.

        Raises `BadItems`, after all were tried, if any was bad.
        """
        batches = list(self.encode_batches(sources, batch_size=batch_size))
        embeddings = torch.cat([batch.embeddings for batch in batches]) if batches else torch.zeros(0, self.dim)
        bad = [entry for batch in batches for entry in batch.bad]
        if bad:
            raise BadItems(bad, embeddings)
        return embeddings


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
                f"space {self.spec!r} gives for {modality} an encoder of {found.modality} with {found.dim} dimensions, not of"
                f" {modality} with {self.dim}. The two must say the same."
            )
        return found

    def encode(self, sources: Iterable[Any], modality: str, *, batch_size: int = 64) -> Tensor:
        """`encoder(modality).encode(sources)`: (n, dim) float32 of unit norm."""
        return self.encoder(modality).encode(sources, batch_size=batch_size)
