"""The projection head that maps a tower's features into a space."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3core.errors import WrongCall


class PatchPooling(nn.Module):
    """Features (n, parts × width) of several parts, such as places of a picture, to one vector (n, hidden).

    The same layers map each part, together with a learned vector of its place, and the results are added. So what is
    learned of one part holds for all.

    >>> PatchPooling(4, parts=9, hidden=7)(torch.zeros(3, 36)).shape
    torch.Size([3, 7])
    """

    def __init__(self, width: int, *, parts: int, hidden: int) -> None:
        super().__init__()
        self.width = width
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(width, hidden)
        self.places = nn.Parameter(torch.randn(parts, hidden) * 0.3)
        self.leave = nn.Linear(hidden, hidden)

    def forward(self, features: Tensor) -> Tensor:
        parts = self.norm(features.view(len(features), len(self.places), self.width))
        return F.relu(self.leave(F.gelu(self.enter(parts) + self.places))).sum(dim=1)


class Head(nn.Module):
    """Features (n, width) to embeddings (n, dim): normalized, then mapped by a linear or a hidden layer.

    `norm` "layer" normalizes each row, for a tower that trains; "batch" normalizes each feature over the training data,
    for a frozen tower whose features differ in scale. `parts` pools features of several parts first (`PatchPooling`).
    `feature_dropout` acts before the hidden layer, `dropout` after it. Raises `WrongCall` if `parts` does not fit.

    >>> Head(10, 4, hidden=7, norm="batch").eval()(torch.zeros(3, 10)).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        width: int,
        dim: int,
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
        feature_dropout: float = 0.0,
        norm: Literal["layer", "batch"] = "layer",
        parts: int | None = None,
    ) -> None:
        super().__init__()
        self.parts: nn.Module = nn.Identity()
        if parts is not None:
            if hidden is None:
                raise WrongCall("a head with `parts` is not linear. Give `hidden` too.")
            if width % parts:
                raise WrongCall(f"the tower's {width} features cannot be divided into {parts} parts. Change `parts`.")
            self.parts = PatchPooling(width // parts, parts=parts, hidden=hidden)
            width = hidden
        self.norm = nn.LayerNorm(width) if norm == "layer" else nn.BatchNorm1d(width)
        self.drop = nn.Dropout(feature_dropout)
        if hidden is None:
            self.project: nn.Module = nn.Linear(width, dim)
        else:
            self.project = nn.Sequential(
                nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
            )

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.project(self.drop(self.norm(self.parts(features))))
        return projected
