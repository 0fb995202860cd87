"""The contrastive loss that connects modalities (the paper's section 2.3), and the head that projects a tower's
features.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3core.errors import WrongCall


def info_nce(x: Tensor, y: Tensor, scale: Tensor | float) -> Tensor:
    """Symmetric InfoNCE of paired embeddings (n, dim) of unit norm: row i of `x` belongs to row i of `y`.

    L = −1/(2n) Σᵢ [log softmaxⱼ(xᵢ·yⱼ/τ)ᵢ + log softmaxⱼ(xⱼ·yᵢ/τ)ᵢ] with scale = 1/τ. With τ fixed and small the loss
    is near zero in a whole region around each pair (Lemma 2), and no gradient crosses the gap (Lemma 1): both are why
    bridges are needed.

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    """
    logits = scale * x @ y.T
    target = torch.arange(len(x), device=x.device)
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


class Temperature(nn.Module):
    """The scale 1/τ of the loss, fixed or learned (then in log space and capped at 100, as CLIP does)."""

    def __init__(self, temperature: float, *, learned: bool) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)), requires_grad=learned)

    def forward(self) -> Tensor:
        if self.log_scale.requires_grad:
            with (
                torch.no_grad()
            ):  # the number itself, not its copy: one that is beyond the cap would get no gradient to come back
                self.log_scale.clamp_(max=math.log(100.0))
        return self.log_scale.exp()


class PatchPooling(nn.Module):
    """Features (n, parts × width) of several parts (places of a picture, moments of a clip) to one vector (n, hidden).

    The same layers map each part, with a vector for where it stands, and the results are added: what is learned of one
    part holds for all, where a layer over all features would learn it for each part anew.

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
    """Features (n, width) to embeddings (n, dim): a linear map, or one hidden layer. Scales of features are evened out
    first.

    With `norm` "layer" each row is brought to mean 0 and variance 1, as the features of a tower in training need; with
    "batch" each feature over the rows, by statistics kept from training: features of a frozen tower whose scales differ
    align better so. Features of several `parts` are added up first (see `PatchPooling`). `feature_dropout` is of what
    goes into the hidden layer, `dropout` of what comes out of it.

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
                raise WrongCall(f"a head of {parts} parts is not linear: give `hidden`.")
            if width % parts:
                raise WrongCall(
                    f"a head of {parts} parts needs features that {parts} divides: the tower gives {width}."
                )
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
