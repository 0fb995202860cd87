"""A uniform sample of a stream of rows, in memory that does not grow with the stream."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


class Reservoir:
    """A uniform sample of at most `size` rows without replacement: each row draws a key, the rows with the smallest
    keys stay.

    Keys make the sample of a union the union's own: merging is associative, and batch sizes do not matter.
    """

    def __init__(self, dim: int, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.rows, self.keys = torch.zeros(0, dim), torch.zeros(0, dtype=torch.float64)
        self.generator: torch.Generator | None = None
        self._limit = float("inf")  # no larger key stays
        self._waiting: list[tuple[Tensor, Tensor]] = []  # taken in now and then: at each batch would be slow

    def offer(self, rows: Tensor) -> None:
        """The next rows (n, d) of the stream, at least one; those that stay are copied, in float32."""
        if self.generator is None:
            # The first row goes into the seed, so that processes with the same seed do not draw the same keys (unless
            # their parts begin alike). Hashed together: of a seed, torch's CPU generator heeds 32 bits only.
            start = str(self.seed).encode() + rows[0].to(torch.float64).numpy().tobytes()
            self.generator = torch.Generator().manual_seed(zlib.crc32(start))
        keys = torch.rand(len(rows), dtype=torch.float64, generator=self.generator)
        chosen = (keys < self._limit).nonzero().squeeze(1)
        if len(chosen) > self.size:
            chosen = chosen[keys[chosen].topk(self.size, largest=False).indices]
        self.take(rows[chosen].to(torch.float32), keys[chosen])

    def merge(self, other: Reservoir) -> None:
        """The sample of another part of the data, which goes on by itself."""
        other.settle()
        self.take(other.rows.clone(), other.keys.clone())
        self.generator = self.generator or other.generator

    def take(self, rows: Tensor, keys: Tensor) -> None:
        """Rows that have their keys already."""
        if len(keys):
            self._waiting.append((rows, keys))
        if 4 * sum(len(keys) for _, keys in self._waiting) >= self.size:
            self.settle()

    def settle(self) -> None:
        """Take the waiting rows in: into the free places first, then into the places of rows with larger keys."""
        if not self._waiting:
            return
        rows, keys = (torch.cat(pieces) for pieces in zip(*self._waiting, strict=True))
        self._waiting, room = [], self.size - len(self.keys)
        if room:
            self.rows, self.keys = torch.cat([self.rows, rows[:room]]), torch.cat([self.keys, keys[:room]])
        if len(self.keys) == self.size:
            every = torch.cat([self.keys, keys[room:]])
            stays = torch.zeros(len(every), dtype=torch.bool)
            stays[every.topk(self.size, largest=False).indices] = True
            leaving, entering = ~stays[: self.size], stays[self.size :]
            self.rows[leaving], self.keys[leaving] = rows[room:][entering], keys[room:][entering]
            self._limit = self.keys.max().item()

    def sample(self) -> Tensor:
        """The rows in the order of their keys, which is random."""
        self.settle()
        return self.rows[self.keys.argsort()]
