"""Compute the statistics of one modality's embeddings in one pass, without holding all rows.

Batches are combined by the update of Chan, Golub and LeVeque (1979) in float64: ten million rows far from the origin
give the same numbers as two passes over all of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from c3core.errors import C3Error, WrongCall, near
from c3core.statistics.reservoir import Reservoir

NEEDS = frozenset({"mean", "variance", "covariance", "sample"})
SAMPLE_SIZE = 50_000
_CHUNK = 512  # rows converted to float64 at a time, so that they stay in the processor's cache


class _Scatter:
    """The count and mean of rows, and the summed squares or products of their deviations from the mean, in float64."""

    def __init__(self, dim: int, order: int) -> None:
        self.order = order  # 0: only the mean; 1: a variance of each dimension; 2: a covariance
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.scatter = torch.zeros([dim] * order if order else 0, dtype=torch.float64)

    def add_rows(self, rows: Tensor) -> None:
        ones = torch.ones(_CHUNK, dtype=torch.float64)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK].to(torch.float64, copy=True)
            weights = ones[: len(chunk)]
            mean = weights @ chunk / len(chunk)  # a matrix product is several times faster than torch.sum over rows
            total, delta = self.count + len(chunk), mean - self.mean
            if self.order:
                chunk -= mean
                self.scatter += chunk.T @ chunk if self.order == 2 else weights @ chunk.square_()
                between = torch.outer(delta, delta) if self.order == 2 else delta.square()
                self.scatter += self.count * len(chunk) / total * between
            self.mean += delta * (len(chunk) / total)
            self.count = total


class Moments:
    """Streaming statistics of the embeddings of one modality, which are taken in the scale that they come in.

    `needs` names what to gather beside the mean: "variance" (of each dimension), "covariance" (d × d), "sample" (a
    uniform sample of at most `sample_size` rows, drawn with `seed`). Statistics are float64, the sample is float32.

    >>> moments = Moments(2).update(torch.tensor([[0.0, 1.0], [2.0, 1.0]]))
    >>> moments.count, moments.mean.tolist(), moments.variance.tolist()
    (2, [1.0, 1.0], [1.0, 0.0])
    """

    def __init__(
        self,
        dim: int,
        needs: Iterable[str] = NEEDS,
        *,
        sample_size: int = SAMPLE_SIZE,
        seed: int = 0,
    ) -> None:
        self.dim, self.needs = dim, frozenset(needs)
        for need in sorted(self.needs - NEEDS):
            raise WrongCall(f"moments cannot gather {need!r}: {near(need, NEEDS)}")
        if dim < 1 or sample_size < 1 or not 0 <= seed < 2**63:
            raise WrongCall("moments need a dimension and a sample size of at least 1, and a seed from 0 to 2**63 - 1.")
        self._scatter = _Scatter(dim, 2 if "covariance" in self.needs else 1 if "variance" in self.needs else 0)
        self._norms = _Scatter(1, 0)
        self._reservoir = Reservoir(dim, sample_size, seed) if "sample" in self.needs else None

    def __repr__(self) -> str:
        return f"Moments(count={self.count}, dim={self.dim}, needs={', '.join(sorted(self._gathered))})"

    @classmethod
    def of(
        cls, embeddings: Any, needs: Iterable[str] = NEEDS, *, sample_size: int | None = None, seed: int = 0
    ) -> Moments:
        """The moments of a tensor or array (n, d), of an iterable of them, or of a `Store`; `Moments` are returned.

        Raises `C3Error` if given `Moments` lack one of `needs`, or hold a smaller sample than `sample_size`.

        >>> Moments.of(torch.ones(5, 2), needs={"mean"}).count
        5
        """
        needs = frozenset(needs)
        if not isinstance(embeddings, Moments) and callable(getattr(embeddings, "moments", None)):
            drawn = {"sample_size": sample_size or SAMPLE_SIZE, "seed": seed} if "sample" in needs else {}
            embeddings = embeddings.moments(needs, **drawn)
        if isinstance(embeddings, Moments):
            if missing := needs - embeddings._gathered:
                raise C3Error(f"these moments lack {', '.join(sorted(missing))}. Gather with needs={sorted(needs)}.")
            if "sample" in needs and (held := len(embeddings.sample)) < min(sample_size or 0, embeddings.count):
                raise C3Error(f"a sample of {sample_size} rows is wanted, these moments hold {held}. Ask for {held}.")
            return embeddings
        moments: Moments | None = None
        for batch in row_batches(embeddings):
            if moments is None:
                moments = cls(batch.shape[1], needs, sample_size=sample_size or SAMPLE_SIZE, seed=seed)
            moments.update(batch)
        if moments is None:
            raise C3Error("no embeddings were given: an iterable without a batch has no dimension.")
        return moments

    def update(self, embeddings: Tensor, norms: Tensor | None = None) -> Self:
        """Add a batch (n, d) of embeddings and, if they were normalized, the norms (n,) that they had.

        Raises `C3Error` for a wrong shape, and for NaN or infinite values with the number of the row in the stream.
        Then nothing of the batch is added.
        """
        rows = as_rows(embeddings).detach().cpu()
        if rows.shape[1] != self.dim:
            raise C3Error(f"embeddings of dimension {rows.shape[1]} came to moments of dimension {self.dim}.")
        if norms is not None and norms.shape != rows.shape[:1]:
            raise C3Error(f"{len(rows)} embeddings came with norms of shape {tuple(norms.shape)}. Give one norm a row.")
        if not len(rows):
            return self
        column = torch.zeros(0, 1) if norms is None else norms.detach().cpu().unsqueeze(1)
        for what, values in (("embedding", rows), ("norm", column)):
            if (bad := ~torch.isfinite(values).all(dim=1)).any():
                row = self.count + int(bad.nonzero()[0])
                raise C3Error(f"the {what} of row {row} holds NaN or infinite values. Leave that item out.")
        self._scatter.add_rows(rows)
        self._norms.add_rows(column)
        if self._reservoir is not None:
            self._reservoir.add(rows)
        return self

    @property
    def count(self) -> int:
        """The number of rows so far."""
        return self._scatter.count

    @property
    def mean(self) -> Tensor:
        """(d,) ē, the mean of the rows."""
        self._check("mean")
        return self._scatter.mean.clone()

    @property
    def variance(self) -> Tensor:
        """(d,) the variance of each dimension, divided by n (not n − 1)."""
        self._check("variance")
        scatter = self._scatter.scatter
        return (scatter.diagonal() if scatter.ndim == 2 else scatter) / self.count

    @property
    def covariance(self) -> Tensor:
        """(d, d) the covariance, divided by n (not n − 1)."""
        self._check("covariance")
        return self._scatter.scatter / self.count

    @property
    def sample(self) -> Tensor:
        """(m, d) float32: a uniform sample in random order, without replacement; all rows if they fit."""
        self._check("sample")
        assert self._reservoir is not None
        return self._reservoir.sample()

    @property
    def mean_norm(self) -> float:
        """The mean of the norms that came with the rows; 1.0 if none came."""
        return self._norms.mean.item() if self._norms.count else 1.0

    @property
    def _gathered(self) -> frozenset[str]:
        return self.needs | {"mean"} | ({"variance"} if "covariance" in self.needs else frozenset())

    def _check(self, need: str) -> None:
        if need not in self._gathered:
            raise C3Error(f"these moments did not gather the {need}. Ask for it: needs={sorted(self.needs | {need})}.")
        if not self.count:
            raise C3Error("these moments have seen no embeddings. Add some: moments.update(embeddings).")


def as_rows(embeddings: Any) -> Tensor:
    """A tensor or an array as a tensor (n, d). Raises `C3Error` for another type or shape."""
    if not isinstance(embeddings, Tensor) and hasattr(embeddings, "__array__"):
        with warnings.catch_warnings():  # torch warns of read-only arrays (memory maps), which nothing here changes
            warnings.simplefilter("ignore", UserWarning)
            embeddings = torch.as_tensor(embeddings)
    if not isinstance(embeddings, Tensor) or embeddings.ndim != 2 or not embeddings.shape[1]:
        shape = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(embeddings).__name__
        raise C3Error(f"embeddings must be a tensor of shape (n, d), got {shape}. Give one row for each item.")
    return embeddings


def row_batches(embeddings: Any) -> Iterable[Tensor]:
    """The batches (n, d) of a tensor, an array, an iterable of them, or a `Store`."""
    if callable(getattr(embeddings, "batches", None)):  # a store
        embeddings = (batch.embeddings for batch in embeddings.batches(columns=("embedding",)))
    elif isinstance(embeddings, Tensor) or hasattr(embeddings, "__array__"):
        embeddings = [embeddings]
    elif isinstance(embeddings, str | Mapping) or not isinstance(embeddings, Iterable):
        kind = type(embeddings).__name__
        raise C3Error(f"embeddings must be a tensor (n, d), batches of them, a store or moments; got {kind}.")
    return map(as_rows, embeddings)
