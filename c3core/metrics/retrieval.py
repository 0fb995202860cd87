"""Retrieval across modalities: how often the partner is among the nearest 1, 5 or 10."""

from __future__ import annotations

import torch
from torch import Tensor

from c3core.errors import C3Error

TIE = 1e-6  # cosines nearer than this are equal: float32 products of equal rows differ by a few 1e-7
_BLOCK = 2**24  # cosines held at a time: 64 MiB
_AT = (1, 5, 10)


def retrieval_metrics(x: Tensor, y: Tensor, *, pairs: Tensor | None = None) -> dict[str, dict[str, float]]:
    """Recall at 1, 5 and 10 by cosine, in both directions, as shares in [0, 1].

    `x` is (n, dim) and `y` is (m, dim), of any float type and scale. `pairs` (m,) holds for each row of `y` the row
    of `x` that it belongs to, so that one x may have several y; without it row i belongs to row i. From x to y the
    best of its own y counts; its other y are no rivals. Ties count against: the rank is 1 + the number of wrong rows
    whose cosine is equal (within 1e-6) or higher, so embeddings that are all alike find nothing. A row of zeros has
    cosine 0 with everything.

    The cosines are made in blocks of 64 MiB, never all at once. Raises `C3Error` for other shapes, NaN or infinite
    values, a `pairs` that names no row of x, and an x without any y.

    >>> x = torch.eye(3)
    >>> scores = retrieval_metrics(x, x[[0, 0, 1, 2]], pairs=torch.tensor([0, 0, 1, 2]))
    >>> scores["x_to_y"]["r1"], scores["y_to_x"]["r1"]
    (1.0, 1.0)
    >>> retrieval_metrics(x, torch.ones(3, 3))["x_to_y"]
    {'r1': 0.0, 'r5': 1.0, 'r10': 1.0}
    """
    pairs = _checked(x, y, pairs)
    x, y = _unit(x), _unit(y)
    own = (x[pairs] * y).sum(dim=1)  # (m,) cosine of each y with its x
    best = torch.full((len(x),), -torch.inf, device=x.device).scatter_reduce(0, pairs, own, "amax")  # (n,)

    x_rank = torch.ones(len(x), dtype=torch.long, device=x.device)
    y_rank = torch.ones(len(y), dtype=torch.long, device=x.device)
    order = pairs.argsort()
    ends = torch.bincount(pairs, minlength=len(x)).cumsum(0).tolist()  # where each x's y end in `order`
    step = max(1, _BLOCK // len(y))
    for start in range(0, len(x), step):
        stop = min(start + step, len(x))
        cosines = x[start:stop] @ y.T  # (step, m)
        partners = order[ends[start - 1] if start else 0 : ends[stop - 1]]
        cosines[pairs[partners] - start, partners] = -torch.inf  # what is right is no rival
        x_rank[start:stop] += (cosines >= best[start:stop, None] - TIE).sum(dim=1)
        y_rank += (cosines >= own - TIE).sum(dim=0)
    return {"x_to_y": _recall(x_rank), "y_to_x": _recall(y_rank)}


def _recall(rank: Tensor) -> dict[str, float]:
    return {f"r{k}": (rank <= k).double().mean().item() for k in _AT}


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows.detach().float(), dim=1)


def _checked(x: Tensor, y: Tensor, pairs: Tensor | None) -> Tensor:
    """The partner of each y, on x's device, after a check of all three."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise C3Error(f"retrieval takes embeddings (n, dim) and (m, dim), got {tuple(x.shape)} and {tuple(y.shape)}.")
    for name, rows in (("x", x), ("y", y)):
        if not torch.isfinite(rows).all():
            raise C3Error(f"{name} holds NaN or infinite values. Leave those rows out.")
    if pairs is None:
        if len(x) != len(y):
            raise C3Error(f"{len(x)} rows of x and {len(y)} of y: say with `pairs` which x each y belongs to.")
        return torch.arange(len(x), device=x.device)
    if pairs.shape != (len(y),) or pairs.is_floating_point() or pairs.is_complex() or pairs.dtype == torch.bool:
        raise C3Error(f"pairs must be {len(y)} whole numbers, one for each y; got {pairs.dtype} {tuple(pairs.shape)}.")
    pairs = pairs.to(x.device, torch.long)
    if int(pairs.min()) < 0 or int(pairs.max()) >= len(x):
        raise C3Error(f"pairs must name rows of x, 0 to {len(x) - 1}; got {int(pairs.min())} to {int(pairs.max())}.")
    lonely = (torch.bincount(pairs, minlength=len(x)) == 0).nonzero()
    if len(lonely):
        raise C3Error(f"{len(lonely)} rows of x have no y, the first is row {int(lonely[0])}. Leave them out.")
    return pairs
