"""Which chance a drawing is learned with: of several, the one whose drawing is nearest to the true picture.

A condition fits many pictures. Where every drawing is held against the one at hand, their mean is best, the same for
every z. Where only the nearest is, it is best that drawings differ as the pictures do (Li & Malik 2018, "Implicit
Maximum Likelihood Estimation").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Chance = list[Tensor]  # z (n, …) and, where there are any, noise maps (n, …)


def nearest(chances: Sequence[Chance], far: Callable[[Chance], Tensor]) -> Chance:
    """Of each row the chance whose drawing is least far: `far(chance)` gives the distances (n,), and is asked without
    gradient.

    >>> one, other = [torch.tensor([[0.0], [5.0]])], [torch.tensor([[3.0], [2.0]])]
    >>> nearest([one, other], lambda chance: chance[0][:, 0])
    [tensor([[0.],
            [2.]])]
    """
    if len(chances) == 1:
        return list(chances[0])
    with torch.no_grad():
        distances = torch.stack([far(chance) for chance in chances])  # (tries, n)
    best, rows = distances.argmin(dim=0), torch.arange(distances.shape[1], device=distances.device)
    return [torch.stack(same)[best, rows] for same in zip(*chances, strict=True)]
