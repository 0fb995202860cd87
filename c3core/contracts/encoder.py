"""Encoders: from items to embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import torch
from torch import Tensor, nn

from c3core.contracts.reader import BadItem, BadItems, Reader, name_of
from c3core.errors import C3Error
from c3core.runtime.devices import device_of
from c3core.runtime.memory import is_out_of_memory

Taken = tuple[Tensor, Tensor, dict[int, str]]

LEAST_NORM = 1e-12  # an embedding that is shorter has no direction


@dataclass(frozen=True)
class Encoded:
    """One batch of a stream of sources.

    `index` (n,) are the positions of the good sources in the stream, `embeddings` (n, dim) float32 of unit norm,
    `norms` (n,) float32 the norms before normalising, `bad` the positions of the other sources with their reasons;
    `modality` and `fingerprint` are the encoder's.
    """

    index: list[int]
    embeddings: Tensor
    norms: Tensor
    bad: list[tuple[int, BadItem]]
    modality: str
    fingerprint: str

    def __repr__(self) -> str:
        return f"Encoded({len(self.index)} of {self.modality}, {len(self.bad)} bad)"


class Encoder(ABC):
    """Turns items of one modality into embeddings of one space."""

    space: str
    modality: str
    dim: int
    fingerprint: str  # of weights and preprocessing: a store or a pipeline refuses another encoder's embeddings
    license: str = "unknown"  # of the weights
    dtype: torch.dtype = torch.float32  # of the model's arithmetic; unit embeddings are float32
    has_embedded: bool = False  # set once an item was embedded: from then on, what fails is the item's fault

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.modality} of {self.space}, dim={self.dim}, device={self.device})"

    def torch_modules(self) -> list[nn.Module]:
        """Return the torch modules that hold the weights: by default those among the attributes."""
        return [value for value in vars(self).values() if isinstance(value, nn.Module)]

    @property
    def device(self) -> torch.device:
        """The device that the weights are on; the CPU if there are none."""
        tensors = (tensor for module in self.torch_modules() for tensor in (*module.parameters(), *module.buffers()))
        return next((tensor.device for tensor in tensors), torch.device("cpu"))

    def to(self, device: str | torch.device) -> Self:
        """Move the weights to a device, in place."""
        for module in self.torch_modules():
            module.to(device_of(device))
        return self

    @abstractmethod
    def reader(self) -> Reader:
        """The reader that makes this encoder's items. Holds no model, can be sent to a worker process."""

    @abstractmethod
    def embed(self, items: Sequence[Any]) -> Tensor:
        """(n, dim) embeddings in the model's own scale, on the model's device, differentiable."""

    def embed_raw(self, batch: Tensor) -> Tensor:
        """(n, dim) embeddings of what a decoder made, with gradient, in the model's own scale.

        Pictures are (n, 3, h, w), RGB in 0 .. 1. A loss on a decoder's outputs needs this; few others do, so that the
        base refuses.
        """
        raise C3Error(
            f"the {self.modality} encoder of {self.space!r} gives no gradient to its input. Leave out the losses that"
            " ask for it."
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
            embeddings, norms, refused = embed_valid(self, [item for _, item in items])
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


def embed_valid(encoder: Encoder, items: Sequence[Any]) -> Taken:
    """Unit embeddings (m, dim) and norms (m,) of the items that the encoder takes, and by position why it takes no
    others.

    Refused are items that the encoder raises on, and those whose embedding is zero, NaN or infinite. Raises `C3Error`
    if the encoder refuses all of its first batch for the same reason: then the model is broken, not the items.
    """
    embeddings, norms, refused = _embed_valid(encoder, items)
    if len(embeddings):
        encoder.has_embedded = True
    elif len(items) > 1 and not encoder.has_embedded and len(set(refused.values())) == 1:
        raise C3Error(
            f"the {encoder.modality} encoder of {encoder.space!r} fails on every item: {refused[0].splitlines()[0]}."
            " Check the model, not the items."
        )
    return embeddings, norms, refused


def _embed_valid(encoder: Encoder, items: Sequence[Any]) -> Taken:
    if not items:
        return torch.zeros(0, encoder.dim), torch.zeros(0), {}
    failed: Exception | None = None
    try:
        embeddings, norms = encoder.embed_items(items)
    except Exception as error:  # whatever a model raises over an odd item
        failed = error.with_traceback(
            None
        )  # whose frames would keep the batch in memory while its items are tried alone
    if failed is not None:
        return _one_by_one(encoder, items, failed)
    if embeddings.shape != (len(items), encoder.dim) or norms.shape != (len(items),):
        shape, expected = tuple(embeddings.shape), (len(items), encoder.dim)
        raise C3Error(f"the encoder gave embeddings of shape {shape}, not {expected}. It is not what it says it is.")
    finite = torch.isfinite(embeddings).all(dim=-1) & torch.isfinite(norms)
    kept = finite & (norms >= LEAST_NORM)
    if kept.all():
        return embeddings, norms, {}
    refused = (~kept).nonzero().flatten().tolist()
    why = {at: "its embedding is zero" if finite[at] else "its embedding is not finite" for at in refused}
    return embeddings[kept], norms[kept], why


def _one_by_one(encoder: Encoder, items: Sequence[Any], failed: Exception) -> Taken:
    """What is taken of items that failed together; the one that fails alone is bad."""
    if len(items) == 1:
        return torch.zeros(0, encoder.dim), torch.zeros(0), {0: str(failed) or repr(failed)}
    parts = [_embed_valid(encoder, [item]) for item in items]
    refused = {at: part[2][0] for at, part in enumerate(parts) if part[2]}
    if is_out_of_memory(failed) and len(refused) in (
        0,
        len(items),
    ):  # not a single item is too large, but the batch, or any
        raise C3Error(f"no memory for a batch of {len(items)}: use a smaller batch_size, then run again.") from failed
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]), refused
