"""A blurred picture of the condition and w, which the generator draws on."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3_stylegan.settings import SMALLEST
from c3core.media import drawing_layers, layout_layers, reading_layers

LAYOUT, PLACES = 16, 8  # channels of the coarse map, and its side
HIDDEN = 512  # units of the layers that read the condition
PATCH = 2  # side of the squares of pixels that are drawn as one place
SQUARE = 3 * PATCH**2


class Sketch(nn.Module):
    """Conditions (n, condition_dim) and w (n, style) to a coarse map (n, 16, 8, 8) and a sketch (n, 12, 16, 16).

    `picture` turns sketches into RGB pictures (n, 3, 32, 32).

    >>> layout, drawn = Sketch(8, style=4, hidden=16)(torch.zeros(2, 8), torch.zeros(2, 4))
    >>> layout.shape, Sketch.picture(drawn).shape
    (torch.Size([2, 16, 8, 8]), torch.Size([2, 3, 32, 32]))
    """

    def __init__(self, condition_dim: int, style: int, hidden: int) -> None:
        super().__init__()
        self.scale = sqrt(condition_dim)  # a condition has a norm of about 1: scale its entries to about 1
        self.trunk = reading_layers(condition_dim + style, hidden)
        self.layout = layout_layers(hidden, LAYOUT, PLACES)
        self.pencil = drawing_layers(LAYOUT, SQUARE)  # saved under this name

    def forward(self, conditions: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        layout = self.layout(self.trunk(torch.cat([conditions * self.scale, w], dim=1)))
        places = F.interpolate(layout, size=SMALLEST // PATCH, mode="bilinear")
        return layout, self.pencil(places)

    @staticmethod
    def picture(drawn: Tensor) -> Tensor:
        """Sketches (n, 12, 16, 16) to pictures (n, 3, 32, 32)."""
        return F.pixel_shuffle(drawn, PATCH)
