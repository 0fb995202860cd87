"""A network for clips and sounds: convolutions down to a few cells, then attention between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from c3_playground.towers.attention import attention_layers


class GridNet(nn.Module):
    """Features (n, width) of grids (n, channels, height, width). Each stage halves the grid, and `cells` are left.

    A stage is a convolution that halves the grid and a second one. Batch norm costs less than group norm and learns
    more in each step, above all with a small fixed temperature, where all items look alike to the loss at first.
    """

    def __init__(self, channels: int, stages: tuple[int, ...], *, cells: int, layers: int = 1) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for before, after in zip((channels, *stages), stages, strict=False):
            blocks += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            blocks += [nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        width = stages[-1]
        self.stages = nn.Sequential(*blocks)
        self.places = nn.Parameter(torch.randn(cells, width) * 0.02)
        self.attention = attention_layers(width, layers)

    def forward(self, grids: Tensor) -> Tensor:
        grid = self.stages(grids.contiguous(memory_format=torch.channels_last))  # (n, width, h, w)
        cells = grid.flatten(2).transpose(1, 2) + self.places  # (n, cells, width)
        features: Tensor = self.attention(cells).mean(dim=1)
        return features
