"""A blurred picture of condition and w, laid out by linear layers, which cost little where convolutions cost most."""

from __future__ import annotations

from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3_stylegan.settings import SMALLEST

LAYOUT, PLACES = 16, 8  # channels of the coarse map that the condition is laid out as, and its side
HIDDEN = 512  # units of the layers that lay out
PENCIL = 32  # channels between map and picture
PATCH = 2  # side of the squares of pixels that the pencil draws as one place
SQUARE = 3 * PATCH**2


class Sketch(nn.Module):
    """Conditions (n, condition_dim) and w (n, style) to a coarse map (n, 16, 8, 8) and a sketch (n, 12, 16, 16).

    `picture` makes RGB pictures (n, 3, 32, 32) of sketches.

    >>> layout, drawn = Sketch(8, style=4, hidden=16)(torch.zeros(2, 8), torch.zeros(2, 4))
    >>> layout.shape, Sketch.picture(drawn).shape
    (torch.Size([2, 16, 8, 8]), torch.Size([2, 3, 32, 32]))
    """

    def __init__(self, condition_dim: int, style: int, hidden: int) -> None:
        super().__init__()
        self.scale = sqrt(condition_dim)  # a condition has a norm near one: its entries are brought there
        self.trunk = nn.Sequential(
            nn.Linear(condition_dim + style, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )
        shape = (LAYOUT, PLACES, PLACES)
        self.layout = nn.Sequential(nn.Linear(hidden, prod(shape)), nn.Unflatten(1, shape))
        convolutions = (nn.Conv2d(LAYOUT, PENCIL, 3, padding=1), nn.SiLU(), nn.Conv2d(PENCIL, SQUARE, 3, padding=1))
        self.pencil = nn.Sequential(nn.SiLU(), *convolutions)

    def forward(self, conditions: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        layout = self.layout(self.trunk(torch.cat([conditions * self.scale, w], dim=1)))
        places = F.interpolate(layout, size=SMALLEST // PATCH, mode="bilinear")
        return layout, self.pencil(places)

    @staticmethod
    def picture(drawn: Tensor) -> Tensor:
        return F.pixel_shuffle(drawn, PATCH)
