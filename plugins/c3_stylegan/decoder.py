"""The `stylegan` decoder: a conditioned StyleGAN2, and a sketch that it draws on."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3_stylegan import losses
from c3_stylegan.gan import GANDecoder
from c3_stylegan.network.discriminator import Discriminator
from c3_stylegan.network.generator import Generator
from c3_stylegan.network.sketch import Sketch
from c3_stylegan.noise import Noise, nearest
from c3_stylegan.settings import SMALLEST, DrawOptions, Settings
from c3core.contracts import DecoderSettings, GenerationOptions, Objective


class StyleGANDecoder(GANDecoder):
    """Pictures from conditions: uint8 arrays (side, side, 3).

    With `rows` the generator draws on a sketch, which learns from more rows of a batch than the two networks see.
    `Settings` lists the options.

    >>> decoder = StyleGANDecoder(8, max_channels=8, style_dim=16)
    >>> decoder.prepare([])
    >>> decoder.generate(torch.zeros(2, 8), generator=torch.Generator().manual_seed(0))[1].shape
    (32, 32, 3)
    """

    name: ClassVar[str] = "stylegan"
    trainable_options: ClassVar[frozenset[str]] = GANDecoder.trainable_options | {
        *("watch_noise", "reconstruction", "tries", "sketch_lr")
    }
    settings_class: ClassVar[type[DecoderSettings]] = Settings
    options_class: ClassVar[type[GenerationOptions]] = DrawOptions
    license = "own"
    settings: Settings
    generator: Generator

    @property
    def resolution(self) -> int:
        return self.settings.resolution

    def _make_generator(self) -> Generator:
        return Generator(self.condition_dim, self.settings)

    def _make_discriminator(self) -> Discriminator:
        return Discriminator(self.condition_dim, self.settings)

    def objectives(self) -> list[Objective]:
        """The losses of the discriminator, the generator and, with `rows`, the sketch. The training's optimizer is for
        the sketch.
        """
        found = super().objectives()
        if self.generator.sketch is not None:
            sketching: dict[str, Any] = {} if self.settings.sketch_lr is None else {"lr": self.settings.sketch_lr}
            pencils = list(self.generator.sketch.parameters())
            found.append(Objective("sketch", pencils, self.sketch_loss, optimizer=sketching))
        return found

    def _drawing_parameters(self) -> list[nn.Parameter]:
        return [p for name, p in self.generator.named_parameters() if not name.startswith("sketch.")]

    def _training_rows(self, conditions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        rows = self.settings.rows
        return self.check_conditions(conditions, len(batch))[:rows], batch[:rows]

    def _training_noise(self, conditions: Tensor, batch: Tensor) -> Noise:
        return self.nearest_noise(conditions, batch)

    def _shown(self, pictures: Tensor) -> Tensor:
        noise = self.settings.watch_noise
        return pictures + torch.randn_like(pictures) * noise if noise else pictures

    def _more_loss(self, drawn: Tensor, batch: Tensor) -> Tensor | float:
        weight = self.settings.reconstruction
        return weight * losses.distances(drawn, batch).mean() if weight else 0.0

    def sketch_loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """The mean squared error of sketches of conditions (n, condition_dim), against their n pictures at 32 × 32."""
        conditions, small = self.check_conditions(conditions, len(batch)), _small(batch)
        return losses.squared_error(self._sketch(conditions, self._nearest_z(conditions, small)), small).mean()

    def _sketch(self, conditions: Tensor, z: Tensor) -> Tensor:
        """Draw sketches (n, 3, 32, 32). Only the sketch gets a gradient: the mapping of z is the generator's."""
        assert self.generator.sketch is not None
        with torch.no_grad():
            w = self.generator.mapping(z)
        _, drawn = self.generator.sketch(conditions, w)
        return Sketch.picture(drawn).float()

    def nearest_noise(self, conditions: Tensor, batch: Tensor) -> Noise:
        """z and noise maps. Of `tries` candidates, each row gets that whose drawing is nearest to its picture.

        With a sketch, the sketches are compared: they cost little, and tell what is where. No styles are mixed here.
        """
        count = len(conditions)
        if self.generator.sketch is not None:
            return [self._nearest_z(conditions, _small(batch)), *self.draw_maps(count)]
        candidates = [self.draw_noise(count) for _ in range(self.settings.tries)]
        return nearest(
            candidates, lambda noise: losses.distances(self.generator(conditions, noise[0], noise=noise[1:]), batch)
        )

    def _nearest_z(self, conditions: Tensor, small: Tensor) -> Tensor:
        """z. Of `tries` candidates, each row gets that whose sketch is nearest to its picture at 32 × 32."""
        candidates = [[self.draw_z(len(conditions))] for _ in range(self.settings.tries)]
        return nearest(candidates, lambda noise: losses.squared_error(self._sketch(conditions, noise[0]), small))[0]


def _small(batch: Tensor) -> Tensor:
    """Pictures at the sketch's size."""
    return F.adaptive_avg_pool2d(batch, SMALLEST)
