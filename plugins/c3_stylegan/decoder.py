"""The picture decoder: a conditioned StyleGAN2 that is trained as in LAFITE (Zhou et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from c3_stylegan import losses
from c3_stylegan.augment import augment
from c3_stylegan.chance import Chance, nearest
from c3_stylegan.discriminator import Discriminator, judge
from c3_stylegan.generator import Generator
from c3_stylegan.settings import SMALLEST, DrawOptions, Saved, Settings
from c3_stylegan.sketch import Sketch
from c3core.contracts import GenerateOptions, Objective, Reader
from c3core.errors import C3Error
from c3core.io import checked, read_checked, read_tensors, refuse_pickles, write_json, write_tensors
from c3core.media import ImageReader, Picture, PictureDecoder, Square, stack, to_pictures
from c3core.runtime import device_of

BETAS = (0.0, 0.99)  # StyleGAN2's, for both players
LENGTH_RATE = 0.01  # of the mean path length, a step


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No gradient for a module's parameters inside: that of the pictures is all the generator wants."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def _small(batch: Tensor) -> Tensor:
    """Pictures at the sketch's size."""
    return F.adaptive_avg_pool2d(batch, SMALLEST)


class StyleGANDecoder(PictureDecoder):
    """Pictures from conditions: uint8 arrays (side, side, 3).

    Two players: the discriminator tells real pictures from drawn ones and matches pictures to conditions, the generator
    draws. With `rows` the generator draws on a sketch, which more rows of a batch teach than the players see. What is
    used and saved is the moving average of the generator. `options` are the fields of `Settings`.

    >>> decoder = StyleGANDecoder(8, max_channels=8, style_dim=16)
    >>> decoder.generate(torch.zeros(2, 8), generator=torch.Generator().manual_seed(0))[1].shape
    (32, 32, 3)
    """

    name: ClassVar[str] = "stylegan"
    Options: ClassVar[type[GenerateOptions]] = DrawOptions
    validates: ClassVar[bool] = False
    tunable: ClassVar[frozenset[str]] = frozenset(
        {
            "match_weight",
            "watch_weight",
            "temperature",
            "watch_noise",
            "reconstruction",
            "tries",
            "r1",
            "r1_every",
            "path_length",
        }
        | {"path_length_every", "augment", "discriminator_lr", "sketch_lr", "average", "weights", "keep"}
    )
    license = "own"
    steps: Tensor
    mean_length: Tensor

    def __init__(self, condition_dim: int, *, device: str = "auto", **options: Any) -> None:
        super().__init__()
        if condition_dim < 1:
            raise C3Error(f"condition_dim must be at least 1, got {condition_dim}.")
        self.condition_dim = condition_dim
        self.settings = checked(Settings, options, what=f"options of decoder {self.name!r}")
        self._device = device_of(device)
        self._conditions_of: Callable[[Tensor], Tensor] | None = None
        self._lacks_judge = False  # loaded without a discriminator
        self._build()

    def _build(self) -> None:
        """Both players, with weights drawn from torch's global generator."""
        self.generator = Generator(self.condition_dim, self.settings)
        self.discriminator = Discriminator(self.condition_dim, self.settings)
        self.register_buffer("mean_length", torch.zeros(()))
        self.register_buffer(
            "steps", torch.zeros((), dtype=torch.int64)
        )  # taken so far: what is not done in each counts by them
        self._start_average()

    def _start_average(self) -> None:
        self.average = AveragedModel(self.generator, multi_avg_fn=self._average_into)
        self.to(self._device)

    def _average_into(self, average: Any, current: Any, number: Tensor | int) -> None:
        """One step of the moving average, which is short at first: the random start is not to linger in it."""
        decay = min(self.settings.average, (1 + int(number)) / (10 + int(number)))
        get_ema_multi_avg_fn(decay)(average, current, number)  # type: ignore[no-untyped-call]

    # ---- training

    def reader(self) -> Reader:
        """Pictures of any size: their middle square, made as large as the decoder's."""
        return ImageReader(transform=Square(self.settings.resolution))

    def prepare(self, targets: Iterable[Any]) -> None:
        """Draw new weights from torch's global generator, unless the decoder was trained or loaded: fine-tuning keeps
        them.

        A discriminator that was not saved is drawn anew.
        """
        if self.steps == 0:
            self._build()
        elif self._lacks_judge:
            self.discriminator = Discriminator(self.condition_dim, self.settings).to(self.mean_length.device)
            self._lacks_judge = False

    def watch(self, conditions_of: Callable[[Tensor], Tensor]) -> None:
        self._conditions_of = conditions_of

    def collate(self, targets: Sequence[Tensor]) -> Tensor:
        """uint8 pictures (3, side, side) as float32 (n, 3, side, side) in −1 .. 1."""
        return stack(targets, self.settings.resolution).to(self.mean_length.device).float() / 127.5 - 1

    def objectives(self) -> list[Objective]:
        """The discriminator's loss, then the generator's and, with `rows`, the sketch's, whose optimizer is the
        training's.
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

    def _seen(self, conditions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of a batch that the players see, checked."""
        rows = self.settings.rows
        return self.check(conditions, len(batch))[:rows], batch[:rows]

    def discriminator_loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """Real or drawn; which condition; and, at every `r1_every`-th step, R1.

        R1 is a part of this loss because an optimizer of its own would, like every Adam, make its size without effect.
        """
        settings = self.settings
        conditions, batch = self._seen(conditions, batch)
        with torch.no_grad():
            drawn = self._draw(conditions)
        real, features = self._judged(batch)
        fake, fake_features = self._judged(drawn)
        loss = losses.discriminator_loss(judge(real, features, conditions), judge(fake, fake_features, conditions))
        loss = loss + settings.match_weight * losses.info_nce(features, conditions, settings.temperature)
        if settings.r1 and self.steps % settings.r1_every == 0:
            loss = loss + settings.r1_every * settings.r1 / 2 * self._r1(conditions, batch)
        return loss

    def _judged(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """f_d and f_s of pictures, seen through the augmentation."""
        judged: tuple[Tensor, Tensor] = self.discriminator(augment(pictures, self.settings.augment))
        return judged

    def _r1(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """R1 in float32 whatever the rest is in."""
        with torch.autocast(batch.device.type, enabled=False), torch.enable_grad():
            pictures = batch.detach().requires_grad_()
            real, features = self._judged(pictures)
            return losses.r1_penalty(pictures, judge(real, features, conditions))

    def loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """The generator's loss on conditions (n, condition_dim) and the n pictures that they are of.

        Real to the discriminator; matching there (`match_weight`) and in the space (`watch_weight`, in training by
        `Pipeline.fit`).
        """
        settings = self.settings
        conditions, batch = self._seen(conditions, batch)
        drawn = self._draw(conditions, self._nearest(conditions, batch))
        with _frozen(self.discriminator):
            fake, features = self._judged(drawn)
        loss = losses.generator_loss(judge(fake, features, conditions))
        loss = loss + settings.match_weight * losses.info_nce(features, conditions, settings.temperature)
        if settings.watch_weight and self._conditions_of is not None:
            seen = self._conditions_of(self._noisy((drawn + 1) / 2))
            loss = loss + settings.watch_weight * losses.info_nce(seen, conditions, settings.temperature)
        if settings.reconstruction:
            loss = loss + settings.reconstruction * losses.distances(drawn, batch).mean()
        if settings.path_length and self.steps % settings.path_length_every == 0:
            loss = loss + settings.path_length_every * settings.path_length * self._path_length(conditions)
        return loss

    def sketch_loss(self, conditions: Tensor, batch: Tensor) -> Tensor:
        """The mean squared error of sketches of conditions (n, condition_dim), against the n pictures at 32 × 32."""
        conditions, small = self.check(conditions, len(batch)), _small(batch)
        return losses.squares(self._sketched(conditions, self._nearest_z(conditions, small)), small).mean()

    def _sketched(self, conditions: Tensor, z: Tensor) -> Tensor:
        """Pictures (n, 3, 32, 32) of the sketch, with its gradient but not that of the mapping, which is the
        generator's.
        """
        assert self.generator.sketch is not None
        with torch.no_grad():
            w = self.generator.mapping(z)
        _, drawn = self.generator.sketch(conditions, w)
        return Sketch.picture(drawn).float()

    def _noisy(self, pictures: Tensor) -> Tensor:
        return (
            pictures + torch.randn_like(pictures) * self.settings.watch_noise if self.settings.watch_noise else pictures
        )

    def _z(self, count: int) -> Tensor:
        """From torch's global generator, which training seeds at each step."""
        return torch.randn(count, self.settings.style_dim, device=self.mean_length.device)

    def _maps(self, count: int) -> list[Tensor]:
        """The noise maps, from the same generator."""
        return [
            torch.randn(count, 1, side, side, device=self.mean_length.device) for side in self.generator.noise_sides()
        ]

    def _nearest(self, conditions: Tensor, batch: Tensor) -> Chance:
        """z and noise maps: of `tries`, each row's whose drawing (or sketch, where there is one) is nearest to its
        picture.
        """
        count = len(conditions)
        if self.generator.sketch is not None:  # it costs little, and says what stands where
            return [self._nearest_z(conditions, _small(batch)), *self._maps(count)]
        chances = [[self._z(count), *self._maps(count)] for _ in range(self.settings.tries)]
        return nearest(chances, lambda chance: losses.distances(self._draw(conditions, chance), batch))

    def _nearest_z(self, conditions: Tensor, small: Tensor) -> Tensor:
        """Of `tries` z, each row's whose sketch is nearest to its picture, which is as small as a sketch."""
        chances = [[self._z(len(conditions))] for _ in range(self.settings.tries)]
        return nearest(chances, lambda chance: losses.squares(self._sketched(conditions, chance[0]), small))[0]

    def _draw(self, conditions: Tensor, chance: Chance | None = None) -> Tensor:
        """Pictures with gradient, of a new chance where none is given."""
        z, *noise = [self._z(len(conditions)), *self._maps(len(conditions))] if chance is None else chance
        pictures: Tensor = self.generator(conditions, z, noise=noise)
        return pictures

    def _path_length(self, conditions: Tensor) -> Tensor:
        """(‖Jᵀ y‖ − a)² on half of the batch, a the running mean of the lengths (StyleGAN2, section 3.2)."""
        some = conditions[: max(1, len(conditions) // 2)]
        with torch.autocast(some.device.type, enabled=False), torch.enable_grad():
            z = torch.randn(len(some), self.settings.style_dim, device=some.device)
            w = self.generator.mapping(z).requires_grad_()
            pictures = self.generator.draw(some, w)
            lengths = losses.path_lengths(pictures, w, torch.randn_like(pictures))
        if self.training:
            self.mean_length.lerp_(lengths.detach().mean(), LENGTH_RATE)
        return (lengths - self.mean_length).square().mean()

    def after_step(self, step: int) -> None:
        """Move the averaged generator."""
        self.average.update_parameters(self.generator)
        self.steps += 1

    # ---- use

    def generate(
        self, conditions: Tensor, options: Any = None, *, generator: torch.Generator | None = None
    ) -> list[Picture]:
        """One picture a condition, in order: uint8 (side, side, 3). `options` are `DrawOptions` or a mapping of its
        fields.

        The rows draw from `generator` one after another, so that a stream's pictures do not depend on its batches.
        """
        chosen: DrawOptions = self.options(options)
        conditions = self.check(conditions)
        if not len(conditions):
            return []
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                parts = torch.split(conditions.float(), chosen.batch_size)
                return [picture for part in parts for picture in to_pictures(self._pictures(part, chosen, generator))]
        finally:
            self.train(training)

    def _pictures(self, conditions: Tensor, options: DrawOptions, generator: torch.Generator | None) -> Tensor:
        average = self.average.module
        assert isinstance(average, Generator)
        shapes: list[tuple[int, ...]] = [(self.settings.style_dim,)]
        if options.noise == "random":
            shapes += [(1, side, side) for side in average.noise_sides()]
        device = "cpu" if generator is None else generator.device
        rows = [[torch.randn(shape, generator=generator, device=device) for shape in shapes] for _ in conditions]
        z, *noise = (torch.stack(column).to(conditions.device) for column in zip(*rows, strict=True))
        pictures: Tensor = average(conditions, z, noise=noise or None, truncation=options.truncation)
        return pictures

    # ---- files

    def save(self, folder: Path) -> None:
        """Write `decoder.json` and the averaged generator; with `keep="all"` also both players, for fine-tuning."""
        folder, dtype = Path(folder), getattr(torch, self.settings.weights)
        write_tensors(folder / "generator.safetensors", self.average.module.state_dict(), dtype)
        if self.settings.keep == "all":
            write_tensors(folder / "players.safetensors", self._players().state_dict(), dtype)
        config = {
            "condition_dim": self.condition_dim,
            "license": self.license,
            "settings": self.settings.model_dump(mode="json"),
        }
        write_json(folder / "decoder.json", config | {"steps": int(self.steps), "mean_length": float(self.mean_length)})

    def _players(self) -> nn.ModuleDict:
        return nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator})

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto") -> Self:
        """The decoder that `save` wrote. Raises `C3Error` if a file is missing, broken, of another size or pickled.

        Of `keep="generator"` both generators are the averaged one, and the discriminator is new.
        """
        folder = Path(folder)
        saved = read_checked(Saved, folder / "decoder.json", of=f"a {cls.name!r} decoder")
        refuse_pickles(folder)
        decoder = cls(saved.condition_dim, device=device, **saved.settings.model_dump())
        decoder.license = saved.license
        read_tensors(folder / "generator.safetensors", decoder.generator)
        decoder._start_average()
        if decoder.settings.keep == "all":
            read_tensors(folder / "players.safetensors", decoder._players())
        else:
            decoder._lacks_judge = True
        decoder.steps.fill_(saved.steps)
        decoder.mean_length.fill_(saved.mean_length)
        decoder.average.n_averaged.fill_(saved.steps)
        return decoder.eval()
