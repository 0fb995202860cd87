"""Encoders: from items to embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Self

import torch
from torch import Tensor, nn

from c3core.contracts.reader import BadItem, BadItems, Reader, name_of
from c3core.errors import C3Error, WrongCall, reason_of
from c3core.io.validation import refuse_table
from c3core.runtime.devices import device_of
from c3core.runtime.memory import is_out_of_memory

Taken = tuple[Tensor, Tensor, dict[int, str]]

LEAST_NORM = 1e-12  # an embedding that is shorter has no direction


@dataclass(frozen=True)
class Encoded:
    """One batch of a stream of sources.

    `index` (n,) are the positions of the good sources in the stream, `embeddings` (n, dim) are float32 of unit norm,
    and `norms` (n,) are their norms before. `bad` are the positions of the other sources, with the reasons. `modality`
    and `fingerprint` are those of the encoder. `unlike` tells of good sources, by position, in what they differ from
    all that the encoder was trained on.
    """

    index: list[int]
    embeddings: Tensor
    norms: Tensor
    bad: list[tuple[int, BadItem]]
    modality: str
    fingerprint: str
    unlike: dict[int, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Encoded({len(self.index)} of {self.modality}, {len(self.bad)} bad)"


class Encoder(ABC):
    """Turns items of one modality into embeddings of one space.

    A plugin sets `space`, `modality`, `dim` and `fingerprint`, and writes `reader` and `embed`.
    """

    space: str
    modality: str
    dim: int
    fingerprint: str  # of weights and preprocessing: embeddings of another one are not comparable
    license: str = "unknown"  # of the weights
    dtype: torch.dtype = torch.float32  # of the model's arithmetic; unit embeddings are float32
    has_embedded: bool = False  # an item was embedded: after that, a failure is the item's fault

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
        """Return the reader that makes items of sources. It holds no model, so that a worker process can run it."""

    @abstractmethod
    def embed(self, items: Sequence[Any]) -> Tensor:
        """Return embeddings (n, dim) of n items, in the model's own scale, on its device, differentiable."""

    def embed_raw(self, batch: Tensor) -> Tensor:
        """Return embeddings (n, dim) of a decoder's outputs, in the model's own scale, with gradient.

        Pictures are (n, 3, h, w), RGB in 0 to 1. Only losses on a decoder's outputs need this. By default it raises
        `C3Error`.
        """
        raise C3Error(f"the {self.modality} encoder of {self.space!r} gives no gradient. Leave out losses on outputs.")

    def unlike(self, item: Any) -> str | None:
        """Return in what an item differs from all that the encoder was trained on, as "it is …"; None if in nothing.

        By default it returns None, because most encoders cannot tell that of one item.
        """
        return None

    def embed_items(self, items: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Return unit embeddings (n, dim) and norms (n,), float32 on the CPU, without gradient."""
        if not len(items):
            return torch.zeros(0, self.dim), torch.zeros(0)
        with torch.no_grad():
            raw = self.embed(items).float().cpu()
        norms = raw.norm(dim=-1)
        return raw / norms.clamp_min(LEAST_NORM).unsqueeze(-1), norms

    def encode_batches(self, sources: Iterable[Any], *, batch_size: int = 64) -> Iterator[Encoded]:
        """Read, embed and normalize a stream of sources, batch by batch. A batch lists its bad sources."""
        if isinstance(sources, str | bytes):
            raise WrongCall("sources must be a list, not one string. Write [source].")
        refuse_table(sources, "sources")
        if batch_size < 1:
            raise WrongCall(f"batch_size must be at least 1, got {batch_size}.")
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
            told = ((start + i, self.unlike(item)) for i, item in enumerate(read) if not isinstance(item, BadItem))
            unlike = {at: why for at, why in told if why}
            yield Encoded(good, embeddings, norms, bad, self.modality, self.fingerprint, unlike)
            start += len(chunk)

    def encode(self, sources: Iterable[Any], *, batch_size: int = 64) -> Tensor:
        """Return embeddings (n, dim) of n sources, float32 of unit norm.

        Raises `BadItems`, after all were tried, if any source was bad.
        """
        batches = list(self.encode_batches(sources, batch_size=batch_size))
        embeddings = torch.cat([batch.embeddings for batch in batches]) if batches else torch.zeros(0, self.dim)
        bad = [entry for batch in batches for entry in batch.bad]
        if bad:
            raise BadItems(bad, embeddings)
        return embeddings


def embed_valid(encoder: Encoder, items: Sequence[Any]) -> Taken:
    """Return unit embeddings (m, dim) and norms (m,) of the good items, and by position why the others are bad.

    An item is bad if the encoder raises an error over it, or if its embedding is zero, NaN or infinite. Raises
    `C3Error` if all of an encoder's first batch is bad for the same reason: then the model is broken, not the items.
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
    failed, why = None, ""
    try:
        embeddings, norms = encoder.embed_items(items)
    except Exception as error:  # whatever a model raises over an odd item
        why = reason_of(error, type(encoder).__module__)
        failed = error.with_traceback(None)  # its frames would keep the batch in memory
    if failed is not None:
        return _one_by_one(encoder, items, failed, why)
    if embeddings.shape != (len(items), encoder.dim) or norms.shape != (len(items),):
        shape, expected = tuple(embeddings.shape), (len(items), encoder.dim)
        raise C3Error(f"the encoder gave embeddings of shape {shape}, not {expected}. It is not what it says it is.")
    finite = torch.isfinite(embeddings).all(dim=-1) & torch.isfinite(norms)
    kept = finite & (norms >= LEAST_NORM)
    if kept.all():
        return embeddings, norms, {}
    refused = (~kept).nonzero().flatten().tolist()
    bad = {at: "its embedding is zero" if finite[at] else "its embedding is not finite" for at in refused}
    return embeddings[kept], norms[kept], bad


def _one_by_one(encoder: Encoder, items: Sequence[Any], failed: Exception, why: str) -> Taken:
    """Embed items one by one that failed together. An item is bad if it fails alone."""
    if len(items) == 1:
        return torch.zeros(0, encoder.dim), torch.zeros(0), {0: why}
    parts = [_embed_valid(encoder, [item]) for item in items]
    refused = {at: part[2][0] for at, part in enumerate(parts) if part[2]}
    too_large = len(refused) in (0, len(items))  # the batch, or any item: not one item among others
    if is_out_of_memory(failed) and too_large:
        raise C3Error(f"no memory for a batch of {len(items)}: use a smaller batch_size, then run again.") from failed
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]), refused
