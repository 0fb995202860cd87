"""A network that computes features of a picture's nine places, for the image tower and for the factor reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from c3_playground.towers.attention import attention_layers

PLACE_COUNT = 9
TRUNK = Path(__file__).parent / "places.safetensors"
CELLS = 64  # of 32 × 32 pixels, halved twice


class PlacesNet(nn.Module):
    """Features (n, 9, width) of the places in pictures (n, 3, 32, 32) with pixels in -1 to 1."""

    def __init__(self, channels: Sequence[int] = (48, 96)) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in zip((3, *channels), channels, strict=False):
            blocks += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.GroupNorm(8, after), nn.GELU()]
            blocks += [nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.GELU()]
        self.width = channels[-1]
        self.convolutions = nn.Sequential(*blocks)  # to (n, width, 8, 8)
        self.cells = nn.Parameter(torch.randn(CELLS, self.width) * 0.02)
        self.attention = attention_layers(self.width, layers=1)
        self.places = nn.Linear(CELLS, PLACE_COUNT)

    def forward(self, pixels: Tensor) -> Tensor:
        cells = self.convolutions(pixels).flatten(2).transpose(1, 2) + self.cells
        features: Tensor = self.places(self.attention(cells).transpose(1, 2)).transpose(1, 2)
        return features
