"""Flow matching: make noisy pictures to learn from, and draw pictures from noise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from c3_diffusion.network import Features, Painter

LEAST_TIME = 0.05  # in training: nearer to the picture, the quotient in `velocity` would be too large
ROUNDING = 1e-6  # of times in float32
Field = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) to the velocity


def noise_levels(
    count: int, mean: float, std: float, generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """Draw times (count,) in 0 … 1 whose logit is normal. With `mean` 0 most of them hide half of the picture."""
    return torch.sigmoid(mean + std * torch.randn(count, generator=generator).to(device))


def noisy(pictures: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """Return x_t = (1 − t) picture + t noise, with the shape of `pictures` (n, c, h, w). `time` is (n,)."""
    t = time[:, None, None, None]
    return (1 - t) * pictures + t * noise


def velocity(picture: Tensor, x: Tensor, time: Tensor) -> Tensor:
    """Return the velocity noise − picture at x_t, given the picture: (x_t − picture) / t.

    The network finds the picture, which is simple, and not the velocity, which holds all of the noise: a small network
    cannot carry that (Li & He 2025, "Back to basics").
    """
    return (x - picture) / time[:, None, None, None]


def guided(
    network: Painter, conditions: Tensor, guidance: float, *, until: float = 0.0, limit: float | None = None
) -> Field:
    """Return the velocity towards x₀ + guidance (x − x₀).

    x is what `network` finds, and x₀ what it finds without condition. All rows must be at the same time. The conditions
    are read once, for all steps.

    Guidance beyond 1 ends when t falls below `until`: it settles what is where, and later it only frays outlines
    (Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval"). Guidance overshoots, so the picture is
    clipped to −`limit` … `limit` at every step (Saharia et al. 2022, section 2.3, static thresholding).
    """
    hidden = torch.ones(len(conditions), dtype=torch.bool, device=conditions.device)
    seeing, blind = network.read(conditions), network.read(conditions, hidden)
    both = Features(*map(torch.cat, zip(seeing, blind, strict=True)))

    def field(x: Tensor, t: Tensor) -> Tensor:
        plain = until and guidance > 1 and float(t[0]) < until - ROUNDING
        strength = 1.0 if plain else guidance
        if strength in (0, 1):
            picture = network.find(x, t, seeing if strength else blind)
        else:
            with_condition, without = network.find(x.repeat(2, 1, 1, 1), t.repeat(2), both).chunk(2)
            picture = without + strength * (with_condition - without)
        return velocity(picture if limit is None else picture.clamp(-limit, limit), x, t)

    return field


def denoise(
    noise: Tensor,
    field: Field,
    steps: int,
    done: int | None = None,
    *,
    fresh: bool = False,
    generators: list[torch.Generator] | None = None,
) -> Tensor:
    """Go from noise (time 1) to pictures (time 0) in `steps`, or take only the first `done` of them.

    Follows the velocity in Euler steps. With `fresh`, each step mixes the picture that it finds with new noise instead
    of the noise that is left, x_s = (1 − s) picture + s noise, so that errors of a step are not kept. Each row draws
    its noise from its own generator (None: all from torch's global one). A picture that is found is a mean, so that
    many such steps make pictures alike.
    """
    scheduler = FlowMatchEulerDiscreteScheduler(stochastic_sampling=fresh)
    scheduler.set_timesteps(sigmas=[1 - k / steps for k in range(steps)], device=noise.device)
    picture = noise
    for timestep, time in islice(zip(scheduler.timesteps, scheduler.sigmas, strict=False), done):
        v = field(picture, time.expand(len(picture)))
        picture = scheduler.step(v, timestep, picture, generator=generators, return_dict=False)[0]
    return picture
