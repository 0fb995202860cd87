"""Draw a uniform sample of a stream of rows, in memory that does not grow with the stream."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


class Reservoir:
    """A uniform sample of at most `size` rows of dimension `dim`, without replacement.

    Each row draws a random key, and the rows with the smallest keys stay: the sample does not depend on batch sizes.
    """

    def __init__(self, dim: int, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self._generator: torch.Generator | None = None
        self._largest = float("inf")  # a row with a larger key cannot stay
        self._rows, self._keys = torch.zeros(0, dim), torch.zeros(0, dtype=torch.float64)
        self._waiting: list[tuple[Tensor, Tensor]] = []  # rows with their keys: to merge each batch would be slow

    def add(self, rows: Tensor) -> None:
        """Take the next rows (n, d) of the stream, n ≥ 1; those that stay are copied as float32."""
        if self._generator is None:
            # The first row goes into the seed, so that two streams with the same seed are sampled independently.
            # Both are hashed together because torch's CPU generator uses only 32 bits of a seed.
            start = str(self.seed).encode() + rows[0].to(torch.float64).numpy().tobytes()
            self._generator = torch.Generator().manual_seed(zlib.crc32(start))
        keys = torch.rand(len(rows), dtype=torch.float64, generator=self._generator)
        chosen = (keys < self._largest).nonzero().squeeze(1)
        if len(chosen) > self.size:
            chosen = chosen[keys[chosen].topk(self.size, largest=False).indices]
        if len(chosen):
            self._waiting.append((rows[chosen].to(torch.float32), keys[chosen]))
        if 4 * sum(len(keys) for _, keys in self._waiting) >= self.size:
            self._merge()

    def sample(self) -> Tensor:
        """(m, d) The rows in the order of their keys, which is random."""
        self._merge()
        return self._rows[self._keys.argsort()]

    def _merge(self) -> None:
        """Take the waiting rows in, and keep those with the smallest keys."""
        rows, keys = (torch.cat(pieces) for pieces in zip((self._rows, self._keys), *self._waiting, strict=True))
        self._waiting.clear()
        if len(keys) > self.size:
            kept = keys.topk(self.size, largest=False).indices
            rows, keys = rows[kept], keys[kept]
        self._rows, self._keys = rows, keys
        if len(keys) == self.size:
            self._largest = keys.max().item()
