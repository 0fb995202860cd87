"""Choose the noise that a drawing is learned with: the candidate whose drawing is nearest to the picture.

Many pictures fit one condition. If every drawing is compared with the picture at hand, the best drawing is the mean of
those pictures, the same for every z. If only the nearest drawing is compared, drawings do best to differ as the
pictures do (Li & Malik 2018, "Implicit Maximum Likelihood Estimation").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Noise = list[Tensor]  # z (n, …) and, if there are any, noise maps (n, …)


def nearest(candidates: Sequence[Noise], distance: Callable[[Noise], Tensor]) -> Noise:
    """Return for each row the candidate with the smallest distance. `distance(noise)` gives (n,), without gradient.

    >>> one, other = [torch.tensor([[0.0], [5.0]])], [torch.tensor([[3.0], [2.0]])]
    >>> nearest([one, other], lambda noise: noise[0][:, 0])
    [tensor([[0.],
            [2.]])]
    """
    if len(candidates) == 1:
        return list(candidates[0])
    with torch.no_grad():
        distances = torch.stack([distance(noise) for noise in candidates])  # (candidates, n)
    best, rows = distances.argmin(dim=0), torch.arange(distances.shape[1], device=distances.device)
    return [torch.stack(same)[best, rows] for same in zip(*candidates, strict=True)]
