"""Where the decoder draws: in pixels, or in the latents of a pretrained autoencoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from c3_diffusion.folders import diffusers_folder, from_folder, license_of

PROBE = 64  # side of a picture that is encoded to learn the shape of the latents
KINDS = ("AutoencoderKL", "AutoencoderTiny")


class Canvas(nn.Module, ABC):
    """What the network draws: `channels` at each place, each of which covers `shrinks` × `shrinks` pixels.

    Values lie within ± `limit`, if there is one.
    """

    channels: int
    shrinks: int
    limit: float | None = None
    license: str | None = None  # of a pretrained part that is saved with the decoder

    @abstractmethod
    def enter(self, pictures: Tensor) -> Tensor:
        """Turn pictures (n, 3, h, w) in −1 … 1 into what the network learns, with a spread of about 1."""

    @abstractmethod
    def leave(self, drawn: Tensor) -> Tensor:
        """Turn what the network drew into pictures."""

    def save(self, folder: Path) -> None:
        """Write what loading needs into a new folder. Pixels need nothing."""


class Plain(Canvas):
    """Pixels as they are."""

    channels, shrinks, limit = 3, 1, 1.0

    def enter(self, pictures: Tensor) -> Tensor:
        return pictures

    def leave(self, drawn: Tensor) -> Tensor:
        return drawn


class Latents(Canvas):
    """The latents of an autoencoder that is not trained: their mean, shifted and scaled by its factors."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        config = autoencoder.config
        self.factor = float(config.scaling_factor or 1.0)
        self.shift = float(getattr(config, "shift_factor", None) or 0.0)
        latent = self.enter(torch.zeros(1, 3, PROBE, PROBE))
        self.channels, self.shrinks = latent.shape[1], PROBE // latent.shape[2]

    def train(self, mode: bool = True) -> Self:
        """The autoencoder stays in eval mode."""
        return super().train(False)

    @torch.no_grad()
    def enter(self, pictures: Tensor) -> Tensor:
        found = self.autoencoder.encode(pictures)
        latent: Tensor = found.latent_dist.mode() if hasattr(found, "latent_dist") else found.latents
        return (latent - self.shift) * self.factor

    def leave(self, drawn: Tensor) -> Tensor:
        pictures: Tensor = self.autoencoder.decode(drawn / self.factor + self.shift).sample
        return pictures

    def save(self, folder: Path) -> None:
        self.autoencoder.save_pretrained(folder, safe_serialization=True)


def latents(name: str) -> Latents:
    """Load the canvas of an autoencoder by hub name or folder. In a pipeline's folder its part `vae` is taken."""
    folder = diffusers_folder(name, part="vae")
    canvas = read_latents(folder)
    canvas.license = license_of(folder, name)
    return canvas


def read_latents(folder: Path) -> Latents:
    """Load the canvas of an autoencoder in a folder. Raises `C3Error` if it is none, is broken or holds pickles."""
    return Latents(from_folder(folder, KINDS))
