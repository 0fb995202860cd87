"""The `lafite` decoder: LAFITE's networks (Zhou et al. 2022), from the weights of its authors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from c3_stylegan import losses
from c3_stylegan.gan import GANDecoder
from c3_stylegan.lafite.discriminator import Discriminator, judge
from c3_stylegan.lafite.generator import Generator
from c3_stylegan.lafite.shape import Shape
from c3_stylegan.lafite.weights import known_shape, read_networks, read_shape, read_sizes
from c3_stylegan.settings import DrawOptions, GANSettings
from c3core.contracts import DecoderSettings, GenerationOptions
from c3core.errors import WrongCall
from c3core.io import path_of
from c3core.training import MovingAverage

UPDATES = 1 << 20  # of the average before: the file does not say how many, but they were many


class LafiteSettings(GANSettings):
    """Which weights a `LafiteDecoder` starts from, and how it is trained further: by default as LAFITE is."""

    model: str = Field(min_length=1, description="LAFITE's weights: a .safetensors file that `c3 convert` wrote")
    temperature: float = Field(0.5, ge=0.02, description="of both")
    path_length: float = Field(2.0, ge=0, description="weight of the path length penalty")
    style_mixing: float = Field(
        0.9,
        ge=0,
        le=1,
        description="share of the training's drawings whose layers, from a random one on, have the style of another z",
    )
    average: float = Field(0.9978, ge=0, lt=1, description="decay of the moving average of the generator")
    mirror: bool = Field(False, description="mirror half of the training's pictures; conditions stay")

    def to_save(self) -> dict[str, Any]:
        """As any settings, without the folders of the machine in `model`: a saved decoder holds its own weights."""
        return super().to_save() | {"model": Path(self.model).name}


class LafiteOptions(DrawOptions):
    """Options of drawing."""

    noise: Literal["const", "random", "none"] = Field(  # type: ignore[assignment]
        "const", description="the noise maps: the network's own, drawn at random, or none"
    )


class LafiteDecoder(GANDecoder):
    """Pictures from conditions: uint8 arrays (side, side, 3), by LAFITE's networks.

    A fit trains them further. The file tells their sizes. Conditions must have the size that LAFITE was trained with,
    which is 512 for CLIP ViT-B/32. Losses are those of LAFITE's code. `LafiteSettings` lists the options.

    Raises `C3Error` if the file is missing, or does not hold all of LAFITE's networks.
    """

    name: ClassVar[str] = "lafite"
    trainable_options: ClassVar[frozenset[str]] = GANDecoder.trainable_options | {"mirror"}
    settings_class: ClassVar[type[DecoderSettings]] = LafiteSettings
    options_class: ClassVar[type[GenerationOptions]] = LafiteOptions
    license = "LAFITE's: see github.com/drboog/Lafite"
    settings: LafiteSettings
    generator: Generator

    def __init__(
        self, condition_dim: int, *, device: str | torch.device = "auto", shape: Shape | None = None, **settings: Any
    ) -> None:
        super().__init__(condition_dim, device=device, **settings)
        self.shape = read_shape(path_of(self.settings.model)) if shape is None else shape
        if self.shape.condition != condition_dim:
            raise WrongCall(
                f"{self.settings.model} takes conditions of size {self.shape.condition}, not {condition_dim}."
                " Use the space that LAFITE was trained with: clip:ViT-B-32/openai."
            )

    @property
    def resolution(self) -> int:
        return self.shape.sides[-1]

    def _make_generator(self) -> Generator:
        return Generator(self.shape)

    def _make_discriminator(self) -> Discriminator:
        return Discriminator(self.shape)

    def _build(self, targets: Iterable[Any]) -> None:
        self._make()
        self.average = MovingAverage(self.generator, updates=UPDATES)
        networks = {"G": self.generator, "G_ema": self.average.module, "D": self.discriminator}
        read_networks(path_of(self.settings.model), networks)

    # ---- training

    def _training_rows(self, conditions: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        conditions, batch = super()._training_rows(conditions, batch)
        if self.settings.mirror:
            mirrored = torch.rand(len(batch), 1, 1, 1, device=batch.device) < 0.5
            batch = torch.where(mirrored, batch.flip(3), batch)
        return conditions, batch

    def _shown(self, pictures: Tensor) -> Tensor:
        """A random square of half to all of the side, the same of all pictures."""
        side = pictures.shape[2]
        size = int(torch.randint(side // 2, side, ()))
        left, top = (int(torch.randint(0, side - size, ())) for _ in range(2))
        return pictures[:, :, top : top + size, left : left + size]

    def matching_loss(self, features: Tensor, conditions: Tensor) -> Tensor:
        return losses.lafite_matching_loss(features, conditions, self.settings.temperature)

    def judge(self, real: Tensor, features: Tensor, conditions: Tensor) -> Tensor:
        return judge(real, features, conditions)

    # ---- drawing

    def _fixed_maps(self, options: Any) -> list[Tensor] | None:
        average = self.average.module
        assert isinstance(average, Generator)
        return average.fixed_maps() if options.noise == "const" else None

    # ---- files

    @classmethod
    def _load_parts(cls, folder: Path, settings: Any) -> Mapping[str, Any]:
        path = folder / "generator.safetensors"
        return {"shape": known_shape(read_sizes(path), path)}
