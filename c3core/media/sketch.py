"""Layers that sketch a picture from a vector.

Linear layers lay the vector out as a coarse map, which tells what is where. They cost little, convolutions cost most.
"""

from __future__ import annotations

from math import prod

from torch import nn

HIDDEN = 32  # channels between the map and the picture


def reading_layers(inputs: int, hidden: int) -> nn.Sequential:
    """(n, inputs) to (n, hidden)."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())


def layout_layers(hidden: int, channels: int, side: int) -> nn.Sequential:
    """(n, hidden) to a coarse map (n, channels, side, side).

    >>> import torch
    >>> layout_layers(16, channels=4, side=8)(torch.zeros(2, 16)).shape
    torch.Size([2, 4, 8, 8])
    """
    shape = (channels, side, side)
    return nn.Sequential(nn.Linear(hidden, prod(shape)), nn.Unflatten(1, shape))


def drawing_layers(channels: int, outputs: int) -> nn.Sequential:
    """A map (n, channels, h, w) to (n, outputs, h, w). `outputs` are 3 · k² for `pixel_shuffle(…, k)` to draw RGB."""
    convolutions = (nn.Conv2d(channels, HIDDEN, 3, padding=1), nn.SiLU(), nn.Conv2d(HIDDEN, outputs, 3, padding=1))
    return nn.Sequential(nn.SiLU(), *convolutions)
