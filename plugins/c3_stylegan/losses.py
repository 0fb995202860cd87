"""The losses of the generator and the discriminator. Each returns a scalar, unless it says otherwise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from c3core.spaces import info_nce


def generator_loss(fake: Tensor) -> Tensor:
    """The mean of −log σ(D(G(z))): the non-saturating loss."""
    return F.softplus(-fake).mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The mean of −log σ(D(x)) − log(1 − σ(D(G(z))))."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def matching_loss(features: Tensor, conditions: Tensor, temperature: float) -> Tensor:
    """The mean of −log softmax_j(cos(f_i, c_j) / τ) at j = i: features of a picture find its condition in the batch.

    `features` and `conditions` are (n, d). LAFITE (equations 6 and 7) finds the picture of a condition in the batch,
    and multiplies by τ, which is part of the weight here.

    >>> float(matching_loss(torch.eye(2), torch.eye(2), 0.01))
    0.0
    """
    features, conditions = F.normalize(features.float(), dim=1), F.normalize(conditions.float(), dim=1)
    return info_nce(features, conditions, 1 / temperature, symmetric=False)


def lafite_matching_loss(features: Tensor, conditions: Tensor, temperature: float) -> Tensor:
    """The mean of −log softmax_i(exp(cos(f_i, c_j) / τ)) at i = j: a condition finds its picture in the batch.

    `features` and `conditions` are (n, d). That is LAFITE's code, whose weights were trained with it. Its equations 6
    and 7 have no exp inside of the softmax.

    >>> float(lafite_matching_loss(torch.eye(2), torch.eye(2), 0.5)) < 0.01
    True
    """
    features, conditions = F.normalize(features.float(), dim=1), F.normalize(conditions.float(), dim=1)
    similar = (features @ conditions.t() / temperature).exp()  # (pictures, conditions)
    return -similar.log_softmax(dim=0).diagonal().mean()


def r1_penalty(pictures: Tensor, logits: Tensor) -> Tensor:
    """The mean of ‖∇ₓ D(x)‖² over real pictures (n, 3, h, w) that require a gradient (Mescheder et al. 2018).

    Differentiable.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def path_lengths(pictures: Tensor, styles: Tensor, directions: Tensor) -> Tensor:
    """The lengths ‖Jᵀ y‖ (n,) of the Jacobian of styles, for random directions y (StyleGAN2, equation 4).

    `styles` (n, layers, style) are the w of each layer: a length is the root of the mean square over layers, as in
    StyleGAN2's code. `directions` have the shape of the pictures. They are divided by the picture's side, so that
    lengths do not grow with the resolution. Differentiable.
    """
    scaled = directions / (pictures.shape[2] * pictures.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad((pictures * scaled).sum(), styles, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def squared_error(pictures: Tensor, targets: Tensor) -> Tensor:
    """The mean square (n,) of x − y."""
    return (pictures - targets).square().mean(dim=(1, 2, 3))


def distances(pictures: Tensor, targets: Tensor) -> Tensor:
    """The mean square (n,) of x − y at full, half and quarter resolution: coarse grids tell colors and places.

    Squares, because the mean of |x − y| is smallest if small things are left out.
    """
    difference = pictures - targets
    return torch.stack([F.avg_pool2d(difference, size).square().mean(dim=(1, 2, 3)) for size in (1, 2, 4)]).mean(dim=0)
