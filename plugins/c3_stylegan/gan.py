"""What both picture decoders share: a generator and a discriminator, trained as in LAFITE (Zhou et al. 2022)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from c3_stylegan import losses
from c3_stylegan.augment import augment
from c3_stylegan.network.discriminator import judge
from c3_stylegan.network.generator import StyleGenerator
from c3_stylegan.noise import Noise
from c3_stylegan.settings import DrawOptions, GANSettings, State
from c3core.contracts import DecoderState, Objective, Reader
from c3core.io import read_tensors, write_tensors
from c3core.media import ImageReader, PictureDecoder, SquareCrop, stack_pictures
from c3core.training import MovingAverage

BETAS = (0.0, 0.99)  # StyleGAN2's, for generator and discriminator
LENGTH_RATE = 0.01  # of the running mean of the path lengths, at each step


class GANDecoder(PictureDecoder):
    """The base of `stylegan` and `lafite`: uint8 pictures (side, side, 3) from conditions.

    The generator draws. The discriminator tells real pictures from drawn ones, and matches pictures to conditions. The
    moving average of the generator is used and saved. A decoder makes the two networks, and names its `resolution`.
    """

    trainable_options: ClassVar[frozenset[str]] = frozenset(
        {"match_weight", "watch_weight", "temperature", "r1", "r1_every", "path_length", "path_length_every"}
        | {"style_mixing", "augment", "discriminator_lr", "average", "weights", "keep"}
    )
    state_class: ClassVar[type[DecoderState]] = State
    settings: GANSettings
    generator: StyleGenerator
    discriminator: nn.Module
    average: MovingAverage
    mean_length: Tensor
    _lacks_discriminator = False  # it was not saved

    @property
    @abstractmethod
    def resolution(self) -> int:
        """The side of the pictures."""

    @abstractmethod
    def _make_generator(self) -> StyleGenerator:
        """Return a generator with random weights."""

    @abstractmethod
    def _make_discriminator(self) -> nn.Module:
        """Return a discriminator with random weights: pictures to f_d (n,) and f_s (n, condition_dim)."""

    def _build(self, targets: Iterable[Any]) -> None:
        self._make()

    def _make(self) -> None:
        self.generator, self.discriminator = self._make_generator(), self._make_discriminator()
        self.register_buffer("mean_length", torch.zeros(()))
        self.average = MovingAverage(self.generator)

    @property
    def validates(self) -> bool:
        return False

    # ---- training

    def reader(self) -> Reader:
        """Pictures of any size: their middle square, scaled to the decoder's resolution."""
        return ImageReader(transform=SquareCrop(self.resolution))

    def prepare(self, targets: Iterable[Any]) -> None:
        """As any decoder. A discriminator that was not saved is made anew."""
        super().prepare(targets)
        if self._lacks_discriminator:
            self.discriminator = self._make_discriminator().to(self.device)
            self._lacks_discriminator = False

    def collate(self, targets: Sequence[Tensor]) -> Tensor:
        """uint8 pictures (3, side, side) as float32 (n, 3, side, side) in −1 … 1."""
        return stack_pictures(targets, self.resolution).to(self.device).float() / 127.5 - 1

    def objectives(self) -> list[Objective]:
        """The losses of the discriminator and the generator."""
        own: dict[str, Any] = {"betas": BETAS, "weight_decay": 0.0}
        judging = own if self.settings.discriminator_lr is None else own | {"lr": self.settings.discriminator_lr}
        judges = list(self.discriminator.parameters())
        return [
            Objective("discriminator", judges, self.discriminator_loss, optimizer=judging),
            Objective("generator", self._drawing_parameters(), self.loss, optimizer=own),
        ]

    def _drawing_parameters(self) -> list[nn.Parameter]:
        return list(self.generator.parameters())

    def discriminator_loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """Real or drawn; which condition; and R1, at every `r1_every`-th step.

        R1 is a part of this loss: Adam divides by the size of a gradient, so that an optimizer of its own would cancel
        its weight.
        """
        settings = self.settings
        conditions, batch = self._training_rows(conditions, batch)
        with torch.no_grad():
            drawn = self.paint(conditions)
        real, features = self._discriminate(batch)
        fake, fake_features = self._discriminate(drawn)
        judged, judged_fake = self.judge(real, features, conditions), self.judge(fake, fake_features, conditions)
        loss = losses.discriminator_loss(judged, judged_fake)
        loss = loss + settings.match_weight * self.matching_loss(features, conditions)
        if settings.r1 and self.average.updates % settings.r1_every == 0:
            loss = loss + settings.r1_every * settings.r1 / 2 * self.r1_penalty(conditions, batch)
        return loss

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """The generator's loss on conditions (n, condition_dim) and their n pictures.

        Drawings must look real to the discriminator, and match their conditions there (`match_weight`) and in the space
        (`watch_weight`, in a training by `Pipeline.fit`).
        """
        settings = self.settings
        conditions, batch = self._training_rows(conditions, batch)
        drawn = self.paint(conditions, self._training_noise(conditions, batch))
        with _frozen(self.discriminator):
            fake, features = self._discriminate(drawn)
        loss = losses.generator_loss(self.judge(fake, features, conditions))
        loss = loss + settings.match_weight * self.matching_loss(features, conditions)
        if settings.watch_weight and self.output_encoder is not None:
            seen = self.output_encoder.with_gradient(self._shown((drawn + 1) / 2))
            loss = loss + settings.watch_weight * self.matching_loss(seen, conditions)
        loss = loss + self._more_loss(drawn, batch)
        if settings.path_length and self.average.updates % settings.path_length_every == 0:
            loss = loss + settings.path_length_every * settings.path_length * self.path_length_penalty(conditions)
        return loss

    def _training_rows(self, conditions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of a batch that the two networks see, checked."""
        return self.check_conditions(conditions, len(batch)), batch

    def _training_noise(self, conditions: Tensor, batch: Tensor) -> Noise:
        """The noise that the generator learns from."""
        return self.draw_noise(len(conditions))

    def _shown(self, pictures: Tensor) -> Tensor:
        """What the space sees of drawings (n, 3, side, side) in 0 … 1."""
        return pictures

    def _more_loss(self, drawn: Tensor, batch: Tensor) -> Tensor | float:
        """A further term of the generator's loss."""
        return 0.0

    def matching_loss(self, features: Tensor, conditions: Tensor) -> Tensor:
        """InfoNCE between the features of pictures and their conditions (both (n, condition_dim)): a scalar."""
        return losses.matching_loss(features, conditions, self.settings.temperature)

    def judge(self, real: Tensor, features: Tensor, conditions: Tensor) -> Tensor:
        """Logits (n,) of f_d, f_s and conditions."""
        return judge(real, features, conditions)

    def _discriminate(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """f_d and f_s of augmented pictures."""
        found: tuple[Tensor, Tensor] = self.discriminator(augment(pictures, self.settings.augment))
        return found

    def r1_penalty(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """R1, always in float32."""
        with torch.autocast(batch.device.type, enabled=False), torch.enable_grad():
            pictures = batch.detach().requires_grad_()
            real, features = self._discriminate(pictures)
            return losses.r1_penalty(pictures, self.judge(real, features, conditions))

    def draw_z(self, count: int) -> Tensor:
        """Draw z from torch's global generator, which training seeds at each step."""
        return torch.randn(count, self.generator.z_dim, device=self.device)

    def draw_maps(self, count: int) -> list[Tensor]:
        """Draw noise maps from the same generator."""
        return [torch.randn(count, 1, side, side, device=self.device) for side in self.generator.noise_sides()]

    def draw_noise(self, count: int) -> Noise:
        """Draw z and noise maps."""
        return [self.draw_z(count), *self.draw_maps(count)]

    def paint(self, conditions: Tensor, noise: Noise | None = None) -> Tensor:
        """Draw with the generator that is trained, with gradient. New noise is drawn if none is given."""
        z, *maps = self.draw_noise(len(conditions)) if noise is None else noise
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
        noise = maps or self._fixed_maps(options)
        pictures: Tensor = self.average.module(conditions, z, noise=noise, truncation=options.truncation)
        return pictures

    def _fixed_maps(self, options: Any) -> list[Tensor] | None:
        """The noise maps of all pictures if none are drawn."""
        return None

    def _row_noise(self, options: DrawOptions, generator: torch.Generator) -> list[Tensor]:
        """What is random in one picture: z, and with `noise` "random" a map for each size."""
        average = self.average.module
        assert isinstance(average, StyleGenerator)
        shapes: list[tuple[int, ...]] = [(average.z_dim,)]
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
        self._make()
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
