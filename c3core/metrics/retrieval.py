"""Score retrieval across modalities: how often the partner is among the nearest 1, 5 or 10."""

from __future__ import annotations

import torch
from torch import Tensor

from c3core.errors import C3Error, WrongCall

TIE = 1e-6  # cosines that differ less count as equal: float32 products of equal rows differ by a few 1e-7
BLOCK = 2**24  # cosines in memory at a time: 64 MiB
RANKS = (1, 5, 10)


def retrieval_metrics(x: Tensor, y: Tensor, *, pairs: Tensor | None = None) -> dict[str, dict[str, float]]:
    """Return the recall at 1, 5 and 10 by cosine, in both directions, as shares in [0, 1].

    `x` is (n, dim) and `y` is (m, dim), of any float type and scale. `pairs` (m,) holds for each row of `y` the row
    of `x` that it belongs to, so that one x may have several y; without it row i belongs to row i. From x to y the
    nearest of its own y counts, and its other y are ignored. Ties count as errors: the rank is 1 + the number of wrong
    rows whose cosine is equal (within 1e-6) or higher, so embeddings that are all alike have a recall of 0. A row of
    zeros has cosine 0 with everything.

    The cosines are computed in blocks of 64 MiB. Raises `WrongCall` for shapes that do not fit, `pairs` that name no
    row of x, and an x without any y; and `C3Error` for NaN or infinite values.

    >>> x = torch.eye(3)
    >>> scores = retrieval_metrics(x, x[[0, 0, 1, 2]], pairs=torch.tensor([0, 0, 1, 2]))
    >>> scores["x_to_y"]["r1"], scores["y_to_x"]["r1"]
    (1.0, 1.0)
    >>> retrieval_metrics(x, torch.ones(3, 3))["x_to_y"]
    {'r1': 0.0, 'r5': 1.0, 'r10': 1.0}
    """
    pairs = _check_pairs(x, y, pairs)
    x, y = _normalize(x), _normalize(y)
    own = (x[pairs] * y).sum(dim=1)  # (m,) cosine of each y with its x
    best = torch.full((len(x),), -torch.inf, device=x.device).scatter_reduce(0, pairs, own, "amax")  # (n,)

    x_rank = torch.ones(len(x), dtype=torch.long, device=x.device)
    y_rank = torch.ones(len(y), dtype=torch.long, device=x.device)
    order = pairs.argsort()
    ends = torch.bincount(pairs, minlength=len(x)).cumsum(0).tolist()  # the end of each x's rows in `order`
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        stop = min(start + step, len(x))
        cosines = x[start:stop] @ y.T  # (step, m)
        partners = order[ends[start - 1] if start else 0 : ends[stop - 1]]
        cosines[pairs[partners] - start, partners] = -torch.inf  # leaves the wrong rows
        x_rank[start:stop] += (cosines >= best[start:stop, None] - TIE).sum(dim=1)
        y_rank += (cosines >= own - TIE).sum(dim=0)
    return {"x_to_y": _recall(x_rank), "y_to_x": _recall(y_rank)}


def _recall(rank: Tensor) -> dict[str, float]:
    return {f"r{k}": (rank <= k).double().mean().item() for k in RANKS}


def _normalize(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows.detach().float(), dim=1)


def _check_pairs(x: Tensor, y: Tensor, pairs: Tensor | None) -> Tensor:
    """Check all three, and return the partner of each y, on the device of x."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise WrongCall(f"retrieval takes embeddings (n, dim) and (m, dim), got {tuple(x.shape)} and {tuple(y.shape)}.")
    for name, rows in (("x", x), ("y", y)):
        if not torch.isfinite(rows).all():
            raise C3Error(f"{name} holds NaN or infinite values. Leave those rows out.")
    if pairs is None:
        if len(x) != len(y):
            raise WrongCall(f"{len(x)} rows of x and {len(y)} of y: tell in `pairs` which x each y belongs to.")
        return torch.arange(len(x), device=x.device)
    if pairs.shape != (len(y),) or pairs.is_floating_point() or pairs.is_complex() or pairs.dtype == torch.bool:
        got = f"{pairs.dtype} {tuple(pairs.shape)}"
        raise WrongCall(f"pairs must be {len(y)} whole numbers, one for each y; got {got}.")
    pairs = pairs.to(x.device, torch.long)
    if int(pairs.min()) < 0 or int(pairs.max()) >= len(x):
        raise WrongCall(f"pairs must name rows of x, 0 to {len(x) - 1}; got {int(pairs.min())} to {int(pairs.max())}.")
    alone = (torch.bincount(pairs, minlength=len(x)) == 0).nonzero()
    if len(alone):
        raise WrongCall(f"{len(alone)} rows of x have no y, the first is row {int(alone[0])}. Leave them out.")
    return pairs
