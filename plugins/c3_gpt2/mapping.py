"""ClipCap's mapping networks (arXiv 2111.09734), which turn a condition into the prefix for the language model."""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor, nn


def build_mapping(kind: str, condition_dim: int, width: int, prefix_length: int, *, layers: int = 8) -> nn.Module:
    """Make a mapping network of a kind, (n, condition_dim) -> (n, prefix_length, width).

    "linear": one layer. "mlp": condition_dim -> prefix_length·width/2 -> prefix_length·width with a tanh between, as in
    ClipCap and C3. "transformer": ClipCap's, see `TransformerMapping`.

    >>> build_mapping("mlp", 512, 768, 10)(torch.zeros(2, 512)).shape
    torch.Size([2, 10, 768])
    """
    size = prefix_length * width
    if kind == "transformer":
        return TransformerMapping(condition_dim, width, prefix_length, layers=layers)
    if kind == "linear":
        net: list[nn.Module] = [nn.Linear(condition_dim, size)]
    else:
        net = [nn.Linear(condition_dim, size // 2), nn.Tanh(), nn.Linear(size // 2, size)]
    return nn.Sequential(*net, nn.Unflatten(1, (prefix_length, width)))


class TransformerMapping(nn.Module):
    """Encoder layers over the condition, projected to `prefix_length` tokens, and as many learned constants.

    The prefix is what the layers return in place of the constants.
    """

    def __init__(self, condition_dim: int, width: int, prefix_length: int, *, layers: int) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(condition_dim, prefix_length * width), nn.Unflatten(1, (prefix_length, width))
        )
        self.constants = nn.Parameter(torch.randn(prefix_length, width))
        # Not nn.TransformerEncoder: it copies one layer, so that all would start with the same weights.
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    width, gcd(width, 8), dim_feedforward=2 * width, dropout=0.0, norm_first=True, batch_first=True
                )
                for _ in range(layers)
            )
        )

    def forward(self, conditions: Tensor) -> Tensor:
        """(n, condition_dim) -> (n, prefix_length, width)."""
        projected = self.project(conditions)  # (n, prefix_length, width)
        constants = self.constants.expand_as(projected)
        out: Tensor = self.layers(torch.cat([projected, constants], dim=1))  # (n, 2·prefix_length, width)
        return out[:, projected.shape[1] :]
