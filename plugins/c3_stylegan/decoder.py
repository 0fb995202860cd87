"""The picture decoder: a conditioned StyleGAN2, trained as in LAFITE (Zhou et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from c3_stylegan import losses
from c3_stylegan.augment import augment
from c3_stylegan.discriminator import Discriminator, judge
from c3_stylegan.generator import Generator
from c3_stylegan.noise import Noise, nearest
from c3_stylegan.settings import SMALLEST, DrawOptions, Settings, State
from c3_stylegan.sketch import Sketch
from c3core.contracts import DecoderSettings, DecoderState, GenerationOptions, Objective, Reader
from c3core.io import read_tensors, write_tensors
from c3core.media import ImageReader, PictureDecoder, SquareCrop, stack_pictures
from c3core.training import MovingAverage

BETAS = (0.0, 0.99)  # StyleGAN2's, for generator and discriminator
LENGTH_RATE = 0.01  # of the running mean of the path lengths, at each step


class StyleGANDecoder(PictureDecoder):
    """Pictures from conditions: uint8 arrays (side, side, 3).

    The generator draws. The discriminator tells real pictures from drawn ones, and matches pictures to conditions. With
    `rows` the generator draws on a sketch, which learns from more rows of a batch than the two networks see. The moving
    average of the generator is used and saved. `Settings` lists the options.

    >>> decoder = StyleGANDecoder(8, max_channels=8, style_dim=16)
    >>> decoder.prepare([])
    >>> decoder.generate(torch.zeros(2, 8), generator=torch.Generator().manual_seed(0))[1].shape
    (32, 32, 3)
    """

    name: ClassVar[str] = "stylegan"
    trainable_options: ClassVar[frozenset[str]] = frozenset(
        {"match_weight", "watch_weight", "temperature", "watch_noise", "reconstruction", "tries", "r1", "r1_every"}
        | {"path_length", "path_length_every", "style_mixing", "augment", "discriminator_lr", "sketch_lr", "average"}
        | {"weights", "keep"}
    )
    settings_class: ClassVar[type[DecoderSettings]] = Settings
    options_class: ClassVar[type[GenerationOptions]] = DrawOptions
    state_class: ClassVar[type[DecoderState]] = State
    license = "own"
    settings: Settings
    generator: Generator
    discriminator: Discriminator
    average: MovingAverage
    mean_length: Tensor
    _lacks_discriminator = False  # it was not saved

    def _build(self, targets: Iterable[Any]) -> None:
        self.generator = Generator(self.condition_dim, self.settings)
        self.discriminator = Discriminator(self.condition_dim, self.settings)
        self.register_buffer("mean_length", torch.zeros(()))
        self.average = MovingAverage(self.generator)

    @property
    def validates(self) -> bool:
        return False

    # ---- training

    def reader(self) -> Reader:
        """Pictures of any size: their middle square, scaled to the decoder's resolution."""
        return ImageReader(transform=SquareCrop(self.settings.resolution))

    def prepare(self, targets: Iterable[Any]) -> None:
        """As any decoder. A discriminator that was not saved is made anew."""
        super().prepare(targets)
        if self._lacks_discriminator:
            self.discriminator = Discriminator(self.condition_dim, self.settings).to(self.device)
            self._lacks_discriminator = False

    def collate(self, targets: Sequence[Tensor]) -> Tensor:
        """uint8 pictures (3, side, side) as float32 (n, 3, side, side) in −1 … 1."""
        return stack_pictures(targets, self.settings.resolution).to(self.device).float() / 127.5 - 1

    def objectives(self) -> list[Objective]:
        """The losses of the discriminator, the generator and, with `rows`, the sketch. The training's optimizer is for
        the sketch.
        """
        own: dict[str, Any] = {"betas": BETAS, "weight_decay": 0.0}
        judging = own if self.settings.discriminator_lr is None else own | {"lr": self.settings.discriminator_lr}
        drawing = [p for name, p in self.generator.named_parameters() if not name.startswith("sketch.")]
        found = [
            Objective(
                "discriminator", list(self.discriminator.parameters()), self.discriminator_loss, optimizer=judging
            ),
            Objective("generator", drawing, self.loss, optimizer=own),
        ]
        if self.generator.sketch is not None:
            sketching: dict[str, Any] = {} if self.settings.sketch_lr is None else {"lr": self.settings.sketch_lr}
            found.append(
                Objective("sketch", list(self.generator.sketch.parameters()), self.sketch_loss, optimizer=sketching)
            )
        return found

    def _first_rows(self, conditions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of a batch that generator and discriminator see, checked."""
        rows = self.settings.rows
        return self.check_conditions(conditions, len(batch))[:rows], batch[:rows]

    def discriminator_loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """Real or drawn; which condition; and R1, at every `r1_every`-th step.

        R1 is a part of this loss: Adam divides by the size of a gradient, so that an optimizer of its own would cancel
        its weight.
        """
        settings = self.settings
        conditions, batch = self._first_rows(conditions, batch)
        with torch.no_grad():
            drawn = self.paint(conditions)
        real, features = self._discriminate(batch)
        fake, fake_features = self._discriminate(drawn)
        loss = losses.discriminator_loss(judge(real, features, conditions), judge(fake, fake_features, conditions))
        loss = loss + settings.match_weight * losses.matching_loss(features, conditions, settings.temperature)
        if settings.r1 and self.average.updates % settings.r1_every == 0:
            loss = loss + settings.r1_every * settings.r1 / 2 * self.r1_penalty(conditions, batch)
        return loss

    def _discriminate(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """f_d and f_s of augmented pictures."""
        found: tuple[Tensor, Tensor] = self.discriminator(augment(pictures, self.settings.augment))
        return found

    def r1_penalty(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """R1, always in float32."""
        with torch.autocast(batch.device.type, enabled=False), torch.enable_grad():
            pictures = batch.detach().requires_grad_()
            real, features = self._discriminate(pictures)
            return losses.r1_penalty(pictures, judge(real, features, conditions))

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """The generator's loss on conditions (n, condition_dim) and their n pictures.

        Drawings must look real to the discriminator, and match their conditions there (`match_weight`) and in the space
        (`watch_weight`, in a training by `Pipeline.fit`).
        """
        settings = self.settings
        conditions, batch = self._first_rows(conditions, batch)
        drawn = self.paint(conditions, self.nearest_noise(conditions, batch))
        with _frozen(self.discriminator):
            fake, features = self._discriminate(drawn)
        loss = losses.generator_loss(judge(fake, features, conditions))
        loss = loss + settings.match_weight * losses.matching_loss(features, conditions, settings.temperature)
        if settings.watch_weight and self.output_encoder is not None:
            seen = self.output_encoder.with_gradient(self._noisy((drawn + 1) / 2))
            loss = loss + settings.watch_weight * losses.matching_loss(seen, conditions, settings.temperature)
        if settings.reconstruction:
            loss = loss + settings.reconstruction * losses.distances(drawn, batch).mean()
        if settings.path_length and self.average.updates % settings.path_length_every == 0:
            loss = loss + settings.path_length_every * settings.path_length * self.path_length_penalty(conditions)
        return loss

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

    def _noisy(self, pictures: Tensor) -> Tensor:
        noise = self.settings.watch_noise
        return pictures + torch.randn_like(pictures) * noise if noise else pictures

    def draw_z(self, count: int) -> Tensor:
        """Draw z from torch's global generator, which training seeds at each step."""
        return torch.randn(count, self.settings.style_dim, device=self.device)

    def draw_maps(self, count: int) -> list[Tensor]:
        """Draw noise maps from the same generator."""
        return [torch.randn(count, 1, side, side, device=self.device) for side in self.generator.noise_sides()]

    def nearest_noise(self, conditions: Tensor, batch: Tensor) -> Noise:
        """z and noise maps. Of `tries` candidates, each row gets that whose drawing is nearest to its picture.

        With a sketch, the sketches are compared: they cost little, and tell what is where. No styles are mixed here.
        """
        count = len(conditions)
        if self.generator.sketch is not None:
            return [self._nearest_z(conditions, _small(batch)), *self.draw_maps(count)]
        candidates = [[self.draw_z(count), *self.draw_maps(count)] for _ in range(self.settings.tries)]
        return nearest(
            candidates, lambda noise: losses.distances(self.generator(conditions, noise[0], noise=noise[1:]), batch)
        )

    def _nearest_z(self, conditions: Tensor, small: Tensor) -> Tensor:
        """z. Of `tries` candidates, each row gets that whose sketch is nearest to its picture at 32 × 32."""
        candidates = [[self.draw_z(len(conditions))] for _ in range(self.settings.tries)]
        return nearest(candidates, lambda noise: losses.squared_error(self._sketch(conditions, noise[0]), small))[0]

    def paint(self, conditions: Tensor, noise: Noise | None = None) -> Tensor:
        """Draw with the generator that is trained, with gradient. New noise is drawn if none is given."""
        z, *maps = [self.draw_z(len(conditions)), *self.draw_maps(len(conditions))] if noise is None else noise
        return self.generator.draw(conditions, self._styles(z), noise=maps)

    def _styles(self, z: Tensor) -> list[Tensor]:
        """A w for each layer. With `style_mixing`, those from a random layer on are of another z."""
        styles = self.generator.styles(self.generator.mapping(z))
        if self.settings.style_mixing and float(torch.rand(())) < self.settings.style_mixing:
            first = int(torch.randint(1, len(styles), ()))
            other = self.generator.mapping(self.draw_z(len(z)), moves_mean=False)
            styles[first:] = [other] * (len(styles) - first)
        return styles

    def path_length_penalty(self, conditions: Tensor) -> Tensor:
        """(‖Jᵀ y‖ − a)² on half of the batch, with a the running mean of the lengths (StyleGAN2, section 3.2)."""
        some = conditions[: max(1, len(conditions) // 2)]
        with torch.autocast(some.device.type, enabled=False), torch.enable_grad():
            styles = torch.stack(self._styles(self.draw_z(len(some))), dim=1)
            pictures = self.generator.draw(some, styles.unbind(dim=1), noise=self.draw_maps(len(some)))
            lengths = losses.path_lengths(pictures, styles, torch.randn_like(pictures))
        mean = self.mean_length.lerp(lengths.mean(), LENGTH_RATE)
        if self.training:
            self.mean_length.copy_(mean.detach())
        return (lengths - mean).square().mean()

    def after_step(self, step: int) -> None:
        """Move the averaged generator."""
        self.average.update(self.generator, self.settings.average)

    # ---- drawing

    def row_generators(self, count: int, options: Any, generator: torch.Generator | None) -> list[torch.Generator]:
        """The same generator for all rows. They draw in order, so that a picture does not depend on its batch."""
        return [torch.default_generator if generator is None else generator] * count

    def _draw(self, conditions: Tensor, options: DrawOptions, generators: list[torch.Generator]) -> Tensor:
        rows = [self._row_noise(options, own) for own in generators]
        z, *maps = (torch.stack(column).to(conditions.device) for column in zip(*rows, strict=True))
        pictures: Tensor = self.average.module(conditions, z, noise=maps or None, truncation=options.truncation)
        return pictures

    def _row_noise(self, options: DrawOptions, generator: torch.Generator) -> list[Tensor]:
        """What is random in one picture: z, and with `noise` "random" a map for each size."""
        average = self.average.module
        assert isinstance(average, Generator)
        shapes: list[tuple[int, ...]] = [(self.settings.style_dim,)]
        if options.noise == "random":
            shapes += [(1, side, side) for side in average.noise_sides()]
        return [torch.randn(shape, generator=generator, device=generator.device) for shape in shapes]

    def skip(self, count: int, options: Any, generator: torch.Generator) -> None:
        """Draw the noise of `count` pictures."""
        for _ in range(count):
            self._row_noise(options, generator)

    # ---- files

    def _save_weights(self, folder: Path) -> None:
        """Write the averaged generator and, with `keep="all"`, both networks for fine-tuning."""
        dtype = getattr(torch, self.settings.weights)
        write_tensors(folder / "generator.safetensors", self.average.module.state_dict(), dtype)
        if self.settings.keep == "all":
            write_tensors(folder / "players.safetensors", self._networks().state_dict(), dtype)

    def _state(self) -> State:
        return State(steps=self.average.updates, mean_length=float(self.mean_length))

    def _networks(self) -> nn.ModuleDict:
        return nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator})

    def _load_weights(self, folder: Path, state: State) -> None:
        """Read the networks. Of `keep="generator"`, training starts from the average and a new discriminator."""
        self._build(())
        read_tensors(folder / "generator.safetensors", self.generator)
        self.average = MovingAverage(self.generator, updates=state.steps)
        if self.settings.keep == "all":
            read_tensors(folder / "players.safetensors", self._networks())
        self._lacks_discriminator = self.settings.keep != "all"
        self.mean_length.fill_(state.mean_length)


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Give a module's parameters no gradient inside. Its inputs still get theirs."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def _small(batch: Tensor) -> Tensor:
    """Pictures at the sketch's size."""
    return F.adaptive_avg_pool2d(batch, SMALLEST)
