"""Bring embeddings that come from outside to unit norm, which every formula of this project expects."""

from __future__ import annotations

import torch
from torch import Tensor

from c3core.errors import C3Error, warn

TOLERANCE = 1e-3  # an embedding whose norm differs less from 1 is left as it is, to the last bit


def normalized(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(n, d) the rows with those that are not of unit norm normalized, and (n,) the norms that they had.

    A zero row stays zero, and NaN stays NaN: see `unit_rows`.
    """
    norms = rows.norm(dim=-1)
    return torch.where(is_unit(norms)[:, None], rows, rows / norms[:, None].clamp_min(1e-12)), norms


def is_unit(norms: Tensor) -> Tensor:
    """(n,) whether each norm is 1, within `TOLERANCE`; False for NaN."""
    return (norms - 1).abs() <= TOLERANCE


def unit_rows(rows: Tensor, *, of: str, start: int = 0) -> Tensor:
    """(n, d) the rows of `of` at unit norm. Warns if some were not, which would scale every figure computed from them.

    Raises `C3Error` with the number of the first row, counted from `start`, that is zero, NaN or infinite.

    >>> unit_rows(torch.tensor([[0.0, 1.0]]), of="x.npy")
    tensor([[0., 1.]])
    """
    unit, norms = normalized(rows)
    if (bad := (norms == 0) | ~torch.isfinite(norms)).any():
        at = int(bad.nonzero()[0])
        what = "holds NaN or infinite values" if norms[at] else "is zero, which has no direction"
        raise C3Error(f"row {start + at} of {of} {what}. Leave that item out, or encode it again.")
    if not is_unit(norms).all():
        warn(f"{of} has rows that are not of unit norm: they are normalized.")
    return unit
