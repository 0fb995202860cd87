"""Moments: the statistics of one modality's embeddings, gathered in one pass that never holds all rows.

Batches are combined by the update of Chan, Golub and LeVeque (1979) in float64, so that ten million rows far from the
origin give the same answer as two passes over all of them. The pieces of several processes merge in any grouping.
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
_CHUNK = 512  # rows turned into float64 at a time: they stay in the processor's cache


class _Scatter:
    """Count, mean and summed squares (or products) of the deviations from the mean, all float64."""

    def __init__(self, dim: int, order: int) -> None:
        self.order = order  # of the scatter: 0 none, 1 a variance per dimension, 2 a covariance
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self.scatter = torch.zeros([dim] * order if order else 0, dtype=torch.float64)

    def add_rows(self, rows: Tensor) -> None:
        ones = torch.ones(_CHUNK, dtype=torch.float64)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK].to(torch.float64, copy=True)
            weights = ones[: len(chunk)]
            mean = weights @ chunk / len(chunk)  # a BLAS product: column sums by torch.sum are several times slower
            scatter = self.scatter
            if self.order:
                chunk -= mean
                scatter = chunk.T @ chunk if self.order == 2 else weights @ chunk.square_()
            self.add(len(chunk), mean, scatter)

    def add(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        if not count:
            return
        total = self.count + count
        delta = mean - self.mean
        weight = self.count * count / total
        if self.order:
            self.scatter += scatter
            self.scatter += weight * (torch.outer(delta, delta) if self.order == 2 else delta.square())
        self.mean += delta * (count / total)
        self.count = total


class Moments:
    """Streaming statistics of the embeddings of one modality.

    `needs` names what to gather beside the mean: "variance" (per dimension), "covariance" (d × d), "sample" (a uniform
    sample of at most `sample_size` rows, decided by `seed`). `fingerprint` is that of the encoder, if known.
    Statistics are float64, the sample float32.

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
        fingerprint: str | None = None,
    ) -> None:
        self.dim, self.needs, self.fingerprint = dim, frozenset(needs), fingerprint
        for need in sorted(self.needs - NEEDS):
            raise WrongCall(f"moments cannot gather {need!r}: {near(need, NEEDS)}")
        if dim < 1 or sample_size < 1 or not 0 <= seed < 2**63:
            raise C3Error("moments need a dimension and a sample size of at least 1, and a seed from 0 to 2**63 - 1.")
        self._scatter = _Scatter(dim, 2 if "covariance" in self.needs else 1 if "variance" in self.needs else 0)
        self._norms = _Scatter(1, 0)
        self._reservoir = Reservoir(dim, sample_size, seed) if "sample" in self.needs else None

    @classmethod
    def of(
        cls, embeddings: Any, needs: Iterable[str] = NEEDS, *, sample_size: int | None = None, seed: int = 0
    ) -> Moments:
        """The moments of a tensor or array (n, d), an iterable of such, an object with `.moments(needs,
        sample_size=…)`, or `Moments`.

        `Moments`, and what `.moments` returns, are handed back as they are; a `C3Error` says so if they lack one of
        `needs`, or if their sample is smaller than the `sample_size` asked for.

        >>> Moments.of(torch.ones(5, 2), needs={"mean"}).count
        5
        """
        needs = frozenset(needs)
        if not isinstance(embeddings, Moments) and callable(getattr(embeddings, "moments", None)):
            drawn = {"sample_size": sample_size or SAMPLE_SIZE, "seed": seed} if "sample" in needs else {}
            embeddings = embeddings.moments(needs, **drawn)
        if isinstance(embeddings, Moments):
            if missing := needs - embeddings.needs - {"mean"} - embeddings._implied:
                raise C3Error(f"these moments lack {', '.join(sorted(missing))}. Gather with needs={sorted(needs)}.")
            if "sample" in needs and (held := len(embeddings.sample)) < min(sample_size or 0, embeddings.count):
                raise C3Error(f"a sample of {sample_size} rows is wanted, these moments hold {held}. Ask for {held}.")
            return embeddings
        if isinstance(embeddings, Tensor) or hasattr(embeddings, "__array__"):
            embeddings = [embeddings]
        if isinstance(embeddings, str | Mapping) or not isinstance(embeddings, Iterable):
            kind = type(embeddings).__name__
            raise C3Error(f"embeddings must be a tensor (n, d), batches of them, a store or moments; got {kind}.")
        moments: Moments | None = None
        for item in embeddings:
            batch = as_rows(item)
            if moments is None:
                moments = cls(batch.shape[1], needs, sample_size=sample_size or SAMPLE_SIZE, seed=seed)
            moments.update(batch)
        if moments is None:
            raise C3Error("no embeddings were given: an iterable without a batch has no dimension.")
        return moments

    def update(self, embeddings: Tensor, norms: Tensor | None = None) -> Self:
        """Take in a batch (n, d) of embeddings and, if they were normalised, their raw norms (n,).

        A wrong shape and NaN or infinite values are refused with a `C3Error` that names the row (its number in the
        stream); the batch then leaves no trace.
        """
        rows = as_rows(embeddings).detach().cpu()
        if rows.shape[1] != self.dim:
            raise C3Error(
                f"embeddings of dimension {rows.shape[1]} came to moments of dimension {self.dim}. Use one encoder a"
                " modality."
            )
        if norms is not None and norms.shape != rows.shape[:1]:
            raise C3Error(f"{len(rows)} embeddings came with norms of shape {tuple(norms.shape)}. Give one norm a row.")
        if not len(rows):
            return self
        batch, lengths = _Scatter(self.dim, self._scatter.order), _Scatter(1, 0)
        batch.add_rows(rows)
        self._refuse_not_finite(batch.mean, rows, "embedding")
        if norms is not None:
            column = norms.detach().cpu().unsqueeze(1)
            lengths.add_rows(column)
            self._refuse_not_finite(lengths.mean, column, "norm")
        self._scatter.add(batch.count, batch.mean, batch.scatter)
        self._norms.add(lengths.count, lengths.mean, lengths.scatter)
        if self._reservoir is not None:
            self._reservoir.offer(rows)
        return self

    def _refuse_not_finite(self, mean: Tensor, rows: Tensor, what: str) -> None:
        # The mean of the batch tells at no cost: a sum with NaN or infinity in it is not finite.
        if not torch.isfinite(mean).all():
            bad = (~torch.isfinite(rows).all(dim=1)).nonzero().flatten().tolist()
            row = f"row {self.count + bad[0]}" if bad else "a row"
            raise C3Error(f"the {what} of {row} holds NaN or infinite values. Leave that item out, or encode it again.")

    def merge(self, other: Moments) -> Self:
        """Take in what another process gathered of the same modality, with the same needs. Any order will do.

        A sample is drawn by the seed and the first row: give parts that begin with the same row seeds of their own.
        """
        if (self.dim, self.needs) != (other.dim, other.needs):
            raise C3Error(
                f"moments of dimension {self.dim} and needs {sorted(self.needs)} cannot take in"
                f" dimension {other.dim} and needs {sorted(other.needs)}."
            )
        if None not in (self.fingerprint, other.fingerprint) and self.fingerprint != other.fingerprint:
            raise C3Error("these moments come from two different encoders. Encode all items with one.")
        if self._reservoir is not None and other._reservoir is not None:
            if self._reservoir.size != other._reservoir.size:
                raise C3Error("moments with different sample sizes cannot be merged into a uniform sample.")
            self._reservoir.merge(other._reservoir)
        self.fingerprint = self.fingerprint or other.fingerprint
        self._scatter.add(other._scatter.count, other._scatter.mean, other._scatter.scatter)
        self._norms.add(other._norms.count, other._norms.mean, other._norms.scatter)
        return self

    @property
    def count(self) -> int:
        """How many rows were seen."""
        return self._scatter.count

    @property
    def mean(self) -> Tensor:
        """(d,) ē, the mean of the rows."""
        self._gathered("mean")
        return self._scatter.mean.clone()

    @property
    def variance(self) -> Tensor:
        """(d,) variance of each dimension, over n (not n − 1)."""
        self._gathered("variance")
        scatter = self._scatter.scatter
        return (scatter.diagonal() if scatter.ndim == 2 else scatter) / self.count

    @property
    def std(self) -> Tensor:
        """(d,) standard deviation of each dimension."""
        return self.variance.sqrt()

    @property
    def covariance(self) -> Tensor:
        """(d, d) covariance, over n (not n − 1)."""
        self._gathered("covariance")
        return self._scatter.scatter / self.count

    @property
    def sample(self) -> Tensor:
        """(m, d) float32: a uniform sample in random order, without replacement; all rows if they fit."""
        self._gathered("sample")
        assert self._reservoir is not None
        return self._reservoir.sample()

    @property
    def mean_norm(self) -> float:
        """The mean of the raw norms that came with the rows; 1.0 if none ever came."""
        return self._norms.mean.item() if self._norms.count else 1.0

    @property
    def _implied(self) -> frozenset[str]:
        return frozenset({"variance"}) if "covariance" in self.needs else frozenset()

    def _gathered(self, need: str) -> None:
        if need not in self.needs | {"mean"} | self._implied:
            raise C3Error(f"these moments did not gather the {need}. Ask for it: needs={sorted(self.needs | {need})}.")
        if not self.count:
            raise C3Error("no embeddings were seen: there are no moments of nothing.")

    def state(self) -> dict[str, Tensor]:
        """All of it as tensors that safetensors can hold; `from_state` goes on where this left off."""
        state = {
            "count": torch.tensor(self.count),
            "mean": self._scatter.mean.clone(),
            "scatter": self._scatter.scatter.clone(),
            "norm_count": torch.tensor(self._norms.count),
            "norm_mean": self._norms.mean.clone(),
            "needs": _text("\n".join(sorted(self.needs))),
        }
        if self.fingerprint is not None:
            state["fingerprint"] = _text(self.fingerprint)
        if self._reservoir is not None:
            self._reservoir.settle()
            state["sample"], state["sample_keys"] = self._reservoir.rows.clone(), self._reservoir.keys.clone()
            state["sample_size"] = torch.tensor([self._reservoir.size, self._reservoir.seed])
            if self._reservoir.generator is not None:
                state["sample_generator"] = self._reservoir.generator.get_state()
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """The moments that `state` describes."""
        try:
            needs = [need for need in _string(state["needs"]).split("\n") if need]
            size, seed = state["sample_size"].tolist() if "sample" in needs else (SAMPLE_SIZE, 0)
            moments = cls(state["mean"].shape[0], needs, sample_size=size, seed=seed)
            moments._scatter.add(int(state["count"]), state["mean"], state["scatter"])
            moments._norms.add(int(state["norm_count"]), state["norm_mean"], state["norm_mean"])
            if "fingerprint" in state:
                moments.fingerprint = _string(state["fingerprint"])
            if moments._reservoir is not None:
                moments._reservoir.take(state["sample"].clone(), state["sample_keys"].clone())
                if "sample_generator" in state:
                    moments._reservoir.generator = torch.Generator()
                    moments._reservoir.generator.set_state(state["sample_generator"])
        except KeyError as error:
            raise C3Error(f"the saved moments lack {error}. Gather them again.") from error
        return moments


def as_rows(embeddings: Any) -> Tensor:
    """`embeddings`, a tensor or an array, as a tensor (n, d)."""
    if not isinstance(embeddings, Tensor) and hasattr(embeddings, "__array__"):
        with warnings.catch_warnings():  # torch warns of read-only arrays (memory maps); nothing here writes to them
            warnings.simplefilter("ignore", UserWarning)
            embeddings = torch.as_tensor(embeddings)
    if not isinstance(embeddings, Tensor) or embeddings.ndim != 2 or not embeddings.shape[1]:
        shape = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(embeddings).__name__
        raise C3Error(f"embeddings must be a tensor of shape (n, d), got {shape}. One row an item.")
    return embeddings


def _text(value: str) -> Tensor:
    return torch.tensor(list(value.encode()), dtype=torch.uint8)


def _string(value: Tensor) -> str:
    return bytes(value.tolist()).decode()
