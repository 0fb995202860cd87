"""The network: a UNet of diffusers that gets the condition twice, as a vector beside the time and as a coarse map."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional as F

from c3_diffusion.settings import GROUPS, Settings
from c3core.media import drawing_layers, layout_layers, reading_layers

TIMES = 1000  # diffusers counts time from 0 (picture) to this (noise)


class Features(NamedTuple):
    """What a `Painter` reads from n conditions. It is the same at every step of a drawing."""

    vector: Tensor  # (n, 4 × the first width): added to the time
    maps: Tensor  # (n, layout and sketch, places, places): channels beside the picture


class Painter(nn.Module):
    """Finds the picture in x_t = (1 − t) picture + t noise, as far as x_t, t and the condition tell.

    Pictures are (n, channels, side, side). Only the condition tells what is where, and a vector beside the time is slow
    to teach that to a convolution. So the condition is also laid out as `settings.layout` channels of half the side,
    which are stretched to the input.
    """

    def __init__(self, condition_dim: int, channels: int, side: int, settings: Settings) -> None:
        super().__init__()
        levels, patch, hidden = len(settings.widths), settings.patch, settings.hidden
        self.patch, self.places = patch, side // patch
        self.scale = condition_dim**0.5  # a condition has a norm of about 1: scale its entries to about 1
        self.nothing = nn.Parameter(torch.zeros(condition_dim))  # replaces a hidden condition
        self.trunk = reading_layers(condition_dim, hidden)
        self.vector = nn.Linear(hidden, settings.widths[0] * 4)
        self.layout = layout_layers(hidden, settings.layout, self.places // 2)
        squares = channels * patch**2
        self.pencil: nn.Module | None = None  # draws the sketch; saved under this name
        if settings.rows is not None:
            self.pencil = drawing_layers(settings.layout, squares)
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
        """Return the pictures (n, channels, side, side).

        `time` is (n,) in 0 … 1. Rows for which `hidden` (n,) is true do not see their condition.
        """
        return self.find(noisy, time, self.read(conditions, hidden))

    def read(self, conditions: Tensor, hidden: Tensor | None = None) -> Features:
        """Return what `find` takes, of conditions (n, condition_dim)."""
        known = conditions.float() * self.scale
        if hidden is not None:
            known = torch.where(hidden[:, None], self.nothing, known)
        known = self.trunk(known)
        return Features(self.vector(known), torch.cat(self._lay_out(known), dim=1))

    def find(self, noisy: Tensor, time: Tensor, features: Features) -> Tensor:
        """As `forward`, with the features of the conditions."""
        seen = torch.cat([F.pixel_unshuffle(noisy, self.patch), features.maps.to(noisy.dtype)], dim=1)
        out: Any = self.unet(seen, time * TIMES, features.vector)
        return F.pixel_shuffle(out.sample, self.patch)

    def sketch(self, conditions: Tensor) -> Tensor:
        """Return pictures (n, channels, side, side) without the UNet. They are blurred, as a mean is."""
        *_, drawn = self._lay_out(self.trunk(conditions.float() * self.scale))
        return F.pixel_shuffle(drawn, self.patch)

    def _lay_out(self, known: Tensor) -> list[Tensor]:
        """Return the map (n, layout, places, places) and, if there is one, the sketch that is drawn from it."""
        places = F.interpolate(self.layout(known), size=(self.places, self.places), mode="bilinear")
        return [places] if self.pencil is None else [places, self.pencil(places)]
