"""The losses of the two players. Each gives a scalar."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def generator_loss(fake: Tensor) -> Tensor:
    """Non-saturating: the mean of −log σ(D(G(z)))."""
    return F.softplus(-fake).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The mean of −log σ(D(x)) − log(1 − σ(D(G(z))))."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def info_nce(features: Tensor, conditions: Tensor, temperature: float) -> Tensor:
    """The mean of −log softmax_j(cos(f_i, c_j) / τ) at j = i: a picture's features tell its condition among the
    batch's.

    features and conditions (n, d). LAFITE (equations 6 and 7) tells a condition's picture among the batch's, and has
    one more factor τ in front, which is part of the weight here.

    >>> float(info_nce(torch.eye(2), torch.eye(2), 0.01))
    0.0
    """
    cosines = F.normalize(features.float(), dim=1) @ F.normalize(conditions.float(), dim=1).t()
    return F.cross_entropy(cosines / temperature, torch.arange(len(features), device=features.device))


def r1_penalty(pictures: Tensor, logits: Tensor) -> Tensor:
    """The mean of ‖∇ₓ D(x)‖² over real pictures (n, 3, h, w), which want a gradient; differentiable (Mescheder et al.
    2018).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(pictures: Tensor, w: Tensor, directions: Tensor) -> Tensor:
    """(n,) lengths ‖Jᵀ y‖ of w's Jacobian, for random directions y like the pictures (StyleGAN2, equation 4);
    differentiable.

    Directions are divided by the picture's side, so that lengths do not grow with the resolution.
    """
    scaled = directions / (pictures.shape[2] * pictures.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((pictures * scaled).sum(), w, create_graph=True)
    return gradient.square().sum(dim=1).sqrt()


def squares(pictures: Tensor, targets: Tensor) -> Tensor:
    """(n,) mean squares of x − y."""
    return (pictures - targets).square().mean(dim=(1, 2, 3))


def distances(pictures: Tensor, targets: Tensor) -> Tensor:
    """(n,) mean squares of x − y at full, half and quarter resolution: coarse grids tell colours and places.

    Squares, as the mean of |x − y| is least when small things are left out.
    """
    difference = pictures - targets
    return torch.stack([F.avg_pool2d(difference, size).square().mean(dim=(1, 2, 3)) for size in (1, 2, 4)]).mean(dim=0)
