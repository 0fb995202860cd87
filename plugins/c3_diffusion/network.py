"""The network: a diffusers UNet that sees the condition twice, as a vector beside the time and laid out as a coarse
map.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional as F

from c3_diffusion.settings import GROUPS, Settings

SKETCH = 32  # channels of the sketch's convolutions
TIMES = 1000  # diffusers counts time from 0 (picture) to this (noise)


class Told(NamedTuple):
    """What a `Painter` reads in n conditions: the same at every step of a drawing."""

    vector: Tensor  # (n, 4 × the first width), which goes in beside the time
    maps: Tensor  # (n, layout and sketch, places, places), which go in beside the picture


class Painter(nn.Module):
    """The picture in x_t = (1 − t) picture + t noise, as far as x_t, t and the condition tell.

    Pictures are (n, channels, side, side). The condition alone says what stands where, which a vector beside the time
    is slow to teach a convolution: so it is also laid out as `settings.layout` channels of half the side, stretched to
    the input.
    """

    def __init__(self, condition_dim: int, channels: int, side: int, settings: Settings) -> None:
        super().__init__()
        levels, patch, hidden = len(settings.widths), settings.patch, settings.hidden
        self.patch, self.places = patch, side // patch
        self.scale = condition_dim**0.5  # a unit embedding's numbers are small: bring them to about 1
        self.nothing = nn.Parameter(torch.zeros(condition_dim))  # stands for a hidden condition
        # What stands where has to be worked out of one vector, which these layers do at hardly any cost: convolutions
        # cost most.
        self.trunk = nn.Sequential(nn.Linear(condition_dim, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.vector = nn.Linear(hidden, settings.widths[0] * 4)
        coarse = self.places // 2
        shape = (settings.layout, coarse, coarse)
        self.layout = nn.Sequential(nn.Linear(hidden, prod(shape)), nn.Unflatten(1, shape))
        squares = channels * patch**2
        self.pencil: nn.Module | None = None
        if settings.rows is not None:
            convolutions = (
                nn.Conv2d(settings.layout, SKETCH, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(SKETCH, squares, 3, padding=1),
            )
            self.pencil = nn.Sequential(nn.SiLU(), *convolutions)
        plain, attentive = ("DownBlock2D",) * (levels - 1), "AttnDownBlock2D"
        self.unet = UNet2DModel(
            sample_size=self.places,
            in_channels=squares + settings.layout + (squares if self.pencil else 0),
            out_channels=squares,
            down_block_types=(*plain, attentive),
            up_block_types=("AttnUpBlock2D", *("UpBlock2D",) * (levels - 1)),
            block_out_channels=settings.widths,
            layers_per_block=settings.layers,
            attention_head_dim=min(32, settings.widths[-1]),
            norm_num_groups=GROUPS,
            resnet_time_scale_shift="scale_shift",
            class_embed_type="identity",
        )

    def forward(self, noisy: Tensor, time: Tensor, conditions: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Pictures (n, channels, side, side). `time` (n,) in 0 … 1; rows of `hidden` (n,) do not see their
        condition.
        """
        return self.find(noisy, time, self.read(conditions, hidden))

    def read(self, conditions: Tensor, hidden: Tensor | None = None) -> Told:
        """What `find` takes of conditions (n, condition_dim)."""
        known = conditions.float() * self.scale
        if hidden is not None:
            known = torch.where(hidden[:, None], self.nothing, known)
        known = self.trunk(known)
        return Told(self.vector(known), torch.cat(self._laid_out(known), dim=1))

    def find(self, noisy: Tensor, time: Tensor, told: Told) -> Tensor:
        """As `forward`, of conditions that were read."""
        seen = torch.cat([F.pixel_unshuffle(noisy, self.patch), told.maps.to(noisy.dtype)], dim=1)
        out: Any = self.unet(seen, time * TIMES, told.vector)
        return F.pixel_shuffle(out.sample, self.patch)

    def sketch(self, conditions: Tensor) -> Tensor:
        """Pictures (n, channels, side, side) from the conditions alone, without the UNet: blurred, as a mean is."""
        *_, drawn = self._laid_out(self.trunk(conditions.float() * self.scale))
        return F.pixel_shuffle(drawn, self.patch)

    def _laid_out(self, known: Tensor) -> list[Tensor]:
        """The map (n, layout, places, places) and, where there is one, the sketch drawn from it."""
        places = F.interpolate(self.layout(known), size=(self.places, self.places), mode="bilinear")
        return [places] if self.pencil is None else [places, self.pencil(places)]
