"""Measure the geometry of a contrastive space on paired embeddings: e_x − e_y = c⊥ + ε (Proposition 1 of the C3 paper).

    gap of a pair    d_j = e_xj − e_yj          gap of a group   d = mean of d_j over a group
    difference       r_jk = e_xj − e_xk         noise            ε_j = d_j − d

The statistics are those of Table 1 and Appendix C of the paper. The gap is constant if ‖d‖ and the direction of d are
the same in every group. It lies outside the span if d is orthogonal to every r. The rest is noise if the ε are zero on
average and orthogonal to each other. Sums are in float64, the sampled pairs in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.errors import C3Error, WrongCall
from c3core.statistics.moments import Moments, row_batches
from c3core.statistics.unit_norm import unit_rows

MAX_PAIRS = 20_000  # pairs measured in groups: more change the third digit of no figure, and take memory
MAX_DIRECTIONS = 1_000  # group gaps compared with each other: half a million cosines
_SAME = 1e-5  # a difference that is shorter, relative to the embeddings, is of one item given twice
_CHUNK = 8192


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a statistic."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: Tensor) -> Spread | None:
        """Of values (n,); None if n is 0."""
        return cls(values.double().mean().item(), values.double().std(correction=0).item()) if len(values) else None


@dataclass(frozen=True)
class Geometry:
    """The result of `measure_geometry`. A statistic is None if it is undefined, as the direction of a gap of zero."""

    n: int  # pairs given; means, covariances and effective dimensions are of all of them
    dim: int
    groups: int  # the other figures are of groups × group_size pairs, drawn at random
    group_size: int
    gap_length: Spread | None  # ‖d^(i)‖
    gap_direction: Spread | None  # cos(d^(i), d^(j)), i ≠ j
    gap_span: Spread | None  # cos(d^(i), r_jk^(i)), j < k
    noise_mean: Spread | None  # E[ε]_k over the dimensions k
    noise_cosine: Spread | None  # cos(ε_j^(i), ε_k^(i)), j < k
    noise_std: float  # σ of ε ~ N(0, σ²I), per dimension: the noise_std to give a bridge
    pair_cosine: Spread | None  # cos(e_xj, e_yj)
    effective_dimension: dict[str, int]  # of x and y: Definition 1, γ = 0.99
    # Squared Fréchet distance of gaussians fitted to x and y, "before" and "after" the modality means are removed: the
    # difference is the squared distance of the means, "after" is the part that no shift can close.
    distribution_gap: dict[str, float]
    left_out: dict[str, int]  # cosines left out: "span" of one item given twice (r = 0), "noise" of zero noise (ε = 0)
    spectrum: dict[str, Tensor] = field(repr=False, compare=False)  # (d,) singular values of the covariance of x and y
    values: dict[str, Tensor] = field(repr=False, compare=False)  # the values behind each `Spread`, for histograms

    def to_dict(self) -> dict[str, Any]:
        """Every figure as a JSON value, without `spectrum` and `values`."""
        figures = {name: value for name, value in vars(self).items() if name not in ("spectrum", "values")}
        return {name: vars(value) if isinstance(value, Spread) else value for name, value in figures.items()}


def measure_geometry(x: Any, y: Any, *, group_size: int = 100, seed: int = 0, max_pairs: int = MAX_PAIRS) -> Geometry:
    """Measure paired embeddings: row i of `x` belongs to row i of `y`.

    `x` and `y` are tensors or arrays (n, d), stores, or iterables of batches, which may be of different sizes. Rows
    that are not of unit norm are normalized with a warning. Memory does not grow with n: moments are streamed, and at
    most `max_pairs` pairs, drawn uniformly with `seed`, go into the random groups. Raises `C3Error` if rows or
    dimensions do not match, for a row that is zero, NaN or infinite, and if there are fewer than two groups.

    >>> y = normalize(torch.randn(400, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    >>> found = measure_geometry(-y, y)
    >>> found.n, found.groups, round(found.pair_cosine.mean, 3)
    (400, 4, -1.0)
    """
    if not 2 <= group_size <= 2000:
        raise WrongCall(f"a group has from 2 to 2,000 pairs, not {group_size}.")
    if max_pairs < 2 * group_size:
        raise WrongCall(f"max_pairs must be at least {2 * group_size}, two groups, not {max_pairs}.")
    moments, pairs = _gather(x, y, seed, max_pairs)
    n, dim = moments["x"].count, moments["x"].dim
    groups = len(pairs) // group_size
    if groups < 2:
        smaller = f", or a group size of {n // 2} at most" if n >= 4 else ""
        raise WrongCall(f"{n} pair{'s' * (n != 1)} make no two groups of {group_size}. Give more pairs{smaller}.")
    grouped = pairs[: groups * group_size].reshape(groups, group_size, 2, dim)
    values, left_out, squares = measure_groups(grouped)
    spectrum = {name: singular_values(moments[name].covariance) for name in ("x", "y")}
    spreads = {name: Spread.of(of) for name, of in values.items()}
    after = frechet(moments["x"].covariance, moments["y"].covariance)
    return Geometry(
        n=n,
        dim=dim,
        groups=groups,
        group_size=group_size,
        **spreads,  # type: ignore[arg-type]
        noise_std=(squares / (groups * (group_size - 1) * dim)) ** 0.5,  # a group's own gap takes one degree of freedom
        effective_dimension={name: effective_dimension(of) for name, of in spectrum.items()},
        distribution_gap={
            "before": after + (moments["x"].mean - moments["y"].mean).square().sum().item(),
            "after": after,
        },
        left_out=left_out,
        spectrum=spectrum,
        values=values,
    )


def _gather(x: Any, y: Any, seed: int, max_pairs: int) -> tuple[dict[str, Moments], Tensor]:
    """The moments of x and y, and a uniform sample (m, 2d) of the pairs in random order, in one pass."""
    moments: dict[str, Moments] = {}
    sample: Moments | None = None
    for pair in _pairs(x, y):
        if sample is None:
            moments = {name: Moments(pair[0].shape[1], {"covariance"}) for name in ("x", "y")}
            sample = Moments(2 * pair[0].shape[1], {"sample"}, sample_size=max_pairs, seed=seed)
        unit = [
            unit_rows(rows, of=name, start=known.count)
            for rows, (name, known) in zip(pair, moments.items(), strict=True)
        ]
        for rows, known in zip(unit, moments.values(), strict=True):
            known.update(rows)
        sample.update(torch.cat([rows.float() for rows in unit], dim=1))
    if sample is None or not sample.count:
        raise C3Error("there are no pairs to measure: x and y are empty.")
    return moments, sample.sample


def _pairs(x: Any, y: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of the same rows of x and y, however each of them comes in batches."""
    if hasattr(x, "paired_with") and hasattr(y, "paired_with"):
        if paired := x.paired_with(y):  # stores of one table
            x, y = paired
        elif x.bad or y.bad:  # row i of one store belongs to another row of the other after each bad input
            raise C3Error(
                f"{x.bad} input(s) of x and {y.bad} of y gave no embedding, so that their rows cannot be paired. Embed"
                " both from one table (pairs.csv:image, pairs.csv:text), which tells the pairs, or leave the bad ones"
                " out."
            )
    for one, other in zip_longest(_chunks(x), _chunks(y)):
        rows = {"x": 0 if one is None else len(one), "y": 0 if other is None else len(other)}
        short, long = sorted(rows, key=lambda name: rows[name])
        if rows[short] < rows[long]:
            raise C3Error(f"{short} has fewer rows than {long}. Give pairs: row i of x belongs to row i of y.")
        if one.shape[1] != other.shape[1]:
            raise WrongCall(f"x has {one.shape[1]} dimensions and y {other.shape[1]}. Use encoders of one space.")
        yield one, other


def _chunks(embeddings: Any) -> Iterator[Tensor]:
    """The rows in chunks of `_CHUNK`, the last of fewer."""
    held: list[Tensor] = []
    for batch in row_batches(embeddings):
        for rows in torch.split(batch.detach().cpu(), _CHUNK):  # type: ignore[no-untyped-call]
            held.append(rows)
            if sum(map(len, held)) >= _CHUNK:
                together = torch.cat(held)
                yield together[:_CHUNK]
                held = [together[_CHUNK:]]
    if any(map(len, held)):
        yield torch.cat(held)


def measure_groups(grouped: Tensor) -> tuple[dict[str, Tensor], dict[str, int], float]:
    """The values of each statistic of groups of pairs (g, m, 2, d), in whatever scale the embeddings have.

    Also returns how many cosines were left out, and the sum of the squares of all noise.
    """
    size = grouped.shape[1]
    upper = torch.ones(size, size, dtype=torch.bool).triu(1)  # each pair j < k once
    gaps, spans, noises, pair_cosines = [], [], [], []
    noise_sum, squares = torch.zeros(grouped.shape[3], dtype=torch.float64), 0.0
    for group in grouped:
        x, y = group.double().unbind(1)  # (m, d) each
        pair_gaps = x - y
        gap = pair_gaps.mean(0)
        gaps.append(gap)
        pair_cosines.append(torch.cosine_similarity(x, y))
        lengths = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")  # ‖r_jk‖, exact near zero
        along = x @ gap
        differs = upper & (lengths > _SAME * x.norm(dim=-1).max())
        spans.append(((along.unsqueeze(1) - along) / (lengths * gap.norm()))[differs])
        noise = pair_gaps - gap
        noise_sum += noise.sum(0)
        squares += noise.square().sum().item()
        unit = normalize(noise[noise.norm(dim=-1) > 1e-6 * pair_gaps.norm(dim=-1).max()], dim=-1)
        noises.append((unit @ unit.T)[upper[: len(unit), : len(unit)]])
    gap_lengths = torch.stack(gaps).norm(dim=-1)
    directions = torch.stack(gaps)[gap_lengths > 0][:MAX_DIRECTIONS]
    cosines = normalize(directions, dim=-1) @ normalize(directions, dim=-1).T
    values = {
        "gap_length": gap_lengths,
        "gap_direction": cosines[torch.ones_like(cosines, dtype=torch.bool).triu(1)],
        "gap_span": torch.cat(spans),
        "noise_mean": noise_sum / (len(grouped) * size),
        "noise_cosine": torch.cat(noises),
        "pair_cosine": torch.cat(pair_cosines),
    }
    values["gap_span"] = values["gap_span"][values["gap_span"].isfinite()]  # a group without a gap has no direction
    every = len(grouped) * size * (size - 1) // 2
    left_out = {"span": every - len(values["gap_span"]), "noise": every - len(values["noise_cosine"])}
    return values, left_out, squares


def singular_values(covariance: Tensor) -> Tensor:
    """(d,) the singular values of a covariance (d, d), in decreasing order."""
    values: Tensor = torch.linalg.eigvalsh(covariance.double())
    return values.clamp_min(0).flip(0)


def effective_dimension(values: Tensor, gamma: float = 0.99) -> int:
    """How many of the singular values, in decreasing order, make up `gamma` of their sum (Definition 1 of the paper).

    >>> effective_dimension(torch.tensor([98.0, 1.5, 0.5, 0.0]))
    2
    """
    total = values.double().cumsum(0)
    return int((total < gamma * total[-1] * (1 - 1e-12)).sum()) + 1 if total[-1] > 0 else 0


def frechet(one: Tensor, other: Tensor) -> float:
    """tr(A + B − 2 (A½ B A½)½): the squared Fréchet distance of two gaussians of equal means and covariances (d, d)."""
    values, vectors = torch.linalg.eigh(one.double())
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ other.double() @ root).clamp_min(0).sqrt().sum()
    return max(float(one.trace() + other.trace() - 2 * cross), 0.0)
