"""Measure the geometry of a contrastive space on paired embeddings: e_x − e_y = c⊥ + ε (Proposition 1 of the C3 paper).

    gap of a pair    d_j = e_xj − e_yj          gap of a group   d = mean of d_j over a group
    difference       r_jk = e_xj − e_xk         noise            ε_j = d_j − d

The statistics are those of Table 1 and Appendix C of the paper. The gap is constant if ‖d‖ and the direction of d are
the same in every group. It lies outside the span if d is orthogonal to every r, of x and of y. The rest is noise if the
ε are orthogonal to each other. The mean of ε is zero by construction, since each group's own mean is subtracted. Sums
are in float64, the sampled pairs in float32.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from c3core.errors import C3Error, WrongCall
from c3core.statistics.moments import Moments
from c3core.statistics.paired_batches import paired_batches, warn_of_repeats
from c3core.statistics.spectrum import effective_dimension, frechet, singular_values, warn_of_few_rows
from c3core.statistics.unit_norm import unit_rows

MAX_PAIRS = 20_000  # pairs measured in groups: more change the third digit of no figure, and take memory
MAX_DIRECTIONS = 1_000  # group gaps compared with each other: half a million cosines
_SAME = 1e-5  # a difference that is shorter, relative to the embeddings, is of one item given twice
_NO_VARIANCE = 1e-12  # a smaller sum of singular values is rounding


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

    n: int  # pairs measured; means, covariances and effective dimensions are of all of them
    dim: int
    groups: int  # the other figures are of groups × group_size pairs, drawn at random
    group_size: int
    gap_length: Spread | None  # ‖d^(i)‖
    gap_direction: Spread | None  # cos(d^(i), d^(j)), i ≠ j
    gap_span_x: Spread | None  # cos(d^(i), r_jk^(i)), j < k, with r = e_xj − e_xk
    gap_span_y: Spread | None  # the same with r = e_yj − e_yk
    noise_mean: Spread | None  # E[ε]_k over the dimensions k: zero by construction
    # cos(ε_j^(i), ε_k^(i+1)): of two groups, since two ε of one group of m pairs, which add up to zero, have a mean
    # cosine of −1/(m − 1) even if the noise is random.
    noise_cosine: Spread | None
    noise_std: float  # σ of ε ~ N(0, σ²I), per dimension: the noise_std to give a bridge
    noise_anisotropy: float | None  # the largest singular value of the covariance of e_x − e_y over the mean one
    pair_cosine: Spread | None  # cos(e_xj, e_yj)
    distance_left: float | None  # mean distance of a pair after each side's mean is subtracted, over that before
    effective_dimension: dict[str, int]  # of x, y and the noise: Definition 1, γ = 0.99
    trace_ratio: float | None  # tr Σ_x / tr Σ_y
    # Squared Fréchet distance of gaussians fitted to x and y, "before" and "after" the modality means are removed: the
    # difference is the squared distance of the means. Few rows make both too large.
    distribution_gap: dict[str, float]
    left_out: dict[str, int]  # cosines left out: "span_x", "span_y" of one item given twice (r = 0), "noise" if ε = 0
    spectrum: dict[str, Tensor] = field(repr=False, compare=False)  # (d,) singular values of x, y and the noise
    values: dict[str, Tensor] = field(repr=False, compare=False)  # the values behind each `Spread`, for histograms

    def to_dict(self) -> dict[str, Any]:
        """Every figure as a JSON value, without `spectrum` and `values`."""
        figures = {name: value for name, value in vars(self).items() if name not in ("spectrum", "values")}
        return {name: vars(value) if isinstance(value, Spread) else value for name, value in figures.items()}


def measure_geometry(
    x: Any,
    y: Any,
    *,
    group_size: int = 100,
    seed: int = 0,
    max_pairs: int = MAX_PAIRS,
    one_per: Sequence[Hashable] | None = None,
) -> Geometry:
    """Measure paired embeddings: row i of `x` belongs to row i of `y`.

    `x` and `y` are tensors or arrays (n, d), stores, or iterables of batches, which may be of different sizes. Rows
    that are not of unit norm are normalized with a warning. Memory does not grow with n: moments are streamed, and at
    most `max_pairs` pairs, drawn uniformly with `seed`, go into the random groups.

    Several pairs of one item, such as five captions of a photo, share their noise: a warning tells if a row of x or y
    repeats. `one_per` names the item of each pair (of each row of the table, if x and y are stores of one table); only
    one pair of each item, drawn with `seed`, is measured. Another warning tells how many rows an effective dimension
    needs.

    Raises `C3Error` if rows or dimensions do not match, for a row that is zero, NaN or infinite, and if there are fewer
    than two groups.

    >>> y = normalize(torch.randn(400, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    >>> found = measure_geometry(-y, y)
    >>> found.n, found.groups, round(found.pair_cosine.mean, 3)
    (400, 4, -1.0)
    """
    if not 2 <= group_size <= 2000:
        raise WrongCall(f"a group has from 2 to 2,000 pairs, not {group_size}.")
    if max_pairs < 2 * group_size:
        raise WrongCall(f"max_pairs must be at least {2 * group_size}, two groups, not {max_pairs}.")
    moments, pairs = _gather(x, y, seed, max_pairs, one_per)
    n, dim = moments["x"].count, moments["x"].dim
    groups = len(pairs) // group_size
    if groups < 2:
        smaller = f", or a group size of {n // 2} at most" if n >= 4 else ""
        raise WrongCall(f"{n} pair{'s' * (n != 1)} make no two groups of {group_size}. Give more pairs{smaller}.")
    grouped = pairs[: groups * group_size].reshape(groups, group_size, 2, dim)
    values, left_out, squares = measure_groups(grouped)
    spectrum = {name: singular_values(of.covariance) for name, of in moments.items()}
    effective = {name: effective_dimension(of) for name, of in spectrum.items()}
    trace = {name: of.sum().item() for name, of in spectrum.items()}
    sides = {"x": pairs[:, 0], "y": pairs[:, 1]}
    different = {name: len({row.tobytes() for row in side.contiguous().numpy()}) for name, side in sides.items()}
    warn_of_repeats(len(pairs), different)
    rows = {name: n * count // len(pairs) for name, count in different.items()}
    warn_of_few_rows(effective, {**rows, "noise": max(rows.values())}, dim)
    after = frechet(moments["x"].covariance, moments["y"].covariance)
    spreads = {name: Spread.of(of) for name, of in values.items()}
    return Geometry(
        n=n,
        dim=dim,
        groups=groups,
        group_size=group_size,
        **spreads,  # type: ignore[arg-type]
        noise_std=(squares / (groups * (group_size - 1) * dim)) ** 0.5,  # a group's own gap takes one degree of freedom
        noise_anisotropy=spectrum["noise"][0].item() * dim / trace["noise"] if trace["noise"] > _NO_VARIANCE else None,
        distance_left=_distance_left(pairs, moments["noise"].mean),
        effective_dimension=effective,
        trace_ratio=trace["x"] / trace["y"] if trace["y"] > _NO_VARIANCE else None,
        distribution_gap={
            "before": after + (moments["x"].mean - moments["y"].mean).square().sum().item(),
            "after": after,
        },
        left_out=left_out,
        spectrum=spectrum,
        values=values,
    )


def _gather(
    x: Any, y: Any, seed: int, max_pairs: int, one_per: Sequence[Hashable] | None
) -> tuple[dict[str, Moments], Tensor]:
    """The moments of x, y and x − y, and a uniform sample (m, 2, d) of the pairs in random order, in one pass."""
    moments: dict[str, Moments] = {}
    sample: Moments | None = None
    read = 0
    for one, other, taken in paired_batches(x, y, one_per=one_per, seed=seed):
        dim = one.shape[1]
        if sample is None:
            moments = {name: Moments(dim, {"covariance"}) for name in ("x", "y", "noise")}
            sample = Moments(2 * dim, {"sample"}, sample_size=max_pairs, seed=seed)
        unit = [unit_rows(rows, of=name, start=read)[taken] for name, rows in (("x", one), ("y", other))]
        read += len(one)
        pair = torch.cat([rows.float() for rows in unit], dim=1)
        for rows, known in zip((*unit, pair[:, :dim] - pair[:, dim:]), moments.values(), strict=True):
            known.update(rows)
        sample.update(pair)
    if sample is None or not sample.count:
        raise C3Error("there are no pairs to measure: x and y are empty.")
    return moments, sample.sample.reshape(-1, 2, sample.dim // 2)


def _distance_left(pairs: Tensor, gap: Tensor) -> float | None:
    """The mean of ‖e_x − e_y − gap‖ over the mean of ‖e_x − e_y‖, of pairs (m, 2, d)."""
    before = pairs[:, 0] - pairs[:, 1]
    distance = before.norm(dim=-1).mean().item()
    return (before - gap.float()).norm(dim=-1).mean().item() / distance if distance else None


def measure_groups(grouped: Tensor) -> tuple[dict[str, Tensor], dict[str, int], float]:
    """The values of each statistic of groups of pairs (g, m, 2, d), in whatever scale the embeddings have.

    Also returns how many cosines were left out, and the sum of the squares of all noise.
    """
    groups, size, _, dim = grouped.shape
    values: dict[str, list[Tensor]] = {name: [] for name in ("gap_span_x", "gap_span_y", "noise_cosine", "pair_cosine")}
    gaps, noise_sum, squares = [], torch.zeros(dim, dtype=torch.float64), 0.0
    previous: Tensor | None = None  # the directions of the noise of the group before
    for group in grouped:
        x, y = group.double().unbind(1)  # (m, d) each
        pair_gaps = x - y
        gap = pair_gaps.mean(0)
        gaps.append(gap)
        values["pair_cosine"].append(torch.cosine_similarity(x, y))
        values["gap_span_x"].append(_span_cosines(gap, x))
        values["gap_span_y"].append(_span_cosines(gap, y))
        noise = pair_gaps - gap
        noise_sum += noise.sum(0)
        squares += noise.square().sum().item()
        directions = normalize(noise[noise.norm(dim=-1) > 1e-6 * pair_gaps.norm(dim=-1).max()], dim=-1)
        if previous is not None:
            values["noise_cosine"].append((previous @ directions.T).flatten())
        previous = directions
    gap_lengths = torch.stack(gaps).norm(dim=-1)
    some = normalize(torch.stack(gaps)[gap_lengths > 0][:MAX_DIRECTIONS], dim=-1)
    found = {
        "gap_length": gap_lengths,
        "gap_direction": (some @ some.T)[torch.ones(len(some), len(some), dtype=torch.bool).triu(1)],
        "noise_mean": noise_sum / (groups * size),
        **{name: torch.cat(of) for name, of in values.items()},
    }
    every = {"span": groups * size * (size - 1) // 2, "noise": (groups - 1) * size**2}
    left_out = {
        "span_x": every["span"] - len(found["gap_span_x"]),
        "span_y": every["span"] - len(found["gap_span_y"]),
        "noise": every["noise"] - len(found["noise_cosine"]),
    }
    return found, left_out, squares


def _span_cosines(gap: Tensor, side: Tensor) -> Tensor:
    """cos(gap, r_jk) of each j < k, without those that are undefined, from a gap (d,) and the rows (m, d) of a side."""
    lengths = torch.cdist(side, side, compute_mode="donot_use_mm_for_euclid_dist")  # ‖r_jk‖, exact near zero
    along = side @ gap
    upper = torch.ones_like(lengths, dtype=torch.bool).triu(1)  # each pair j < k once
    differs = upper & (lengths > _SAME * side.norm(dim=-1).max())
    cosines: Tensor = ((along.unsqueeze(1) - along) / (lengths * gap.norm()))[differs]
    return cosines[cosines.isfinite()]  # a group without a gap has no direction
