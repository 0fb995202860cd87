"""The settings of the decoders, and their generation options."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from c3core.contracts import DecoderSettings, DecoderState, GenerationOptions

SMALLEST, LARGEST = 32, 256
WIDEST = 1 << 13  # units of a layer: far more than the method wants, and still few enough for memory
Augmentation = Literal["color", "translation", "cutout"]


class GANSettings(DecoderSettings):
    """How a `GANDecoder` is trained and saved."""

    match_weight: float = Field(10.0, ge=0, description="InfoNCE between the discriminator's features and conditions")
    watch_weight: float = Field(10.0, ge=0, description="InfoNCE between drawn pictures' own conditions and conditions")
    temperature: float = Field(0.5, gt=0, description="of both")
    r1: float = Field(10.0, ge=0, description="γ of the R1 penalty")
    r1_every: int = Field(16, ge=1, description="steps from one R1 penalty to the next")
    path_length: float = Field(
        0.0, ge=0, description="weight of the path length penalty, which leaves a sketch out; StyleGAN2's is 2"
    )
    path_length_every: int = Field(4, ge=1, description="steps from one path length penalty to the next")
    style_mixing: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the training's drawings whose layers, from a random one on, have the style of another z;"
        " StyleGAN2's is 0.9",
    )
    augment: tuple[Augmentation, ...] = Field((), description="changes of the pictures that the discriminator sees")
    discriminator_lr: float | None = Field(
        None, gt=0, description="learning rate of the discriminator; None: that of the training"
    )
    average: float = Field(0.999, ge=0, lt=1, description="decay of the moving average of the generator")

    weights: Literal["float32", "float16"] = Field("float32", description="of the saved files")
    keep: Literal["all", "generator"] = Field("all", description="what is saved: all, or only the averaged generator")


class Settings(GANSettings):
    """What a `StyleGANDecoder` is made of and how it is trained."""

    resolution: int = Field(32, description="of the square pictures: a power of two from 32 to 256")
    channels: int = Field(
        1024, ge=32, le=1 << 16, description="a layer of r × r has channels // r of them, and at least 8"
    )
    max_channels: int = Field(128, ge=8, le=WIDEST, description="the most channels of a layer")
    style_dim: int = Field(128, ge=1, le=WIDEST, description="of z, w and the condition's code")
    mapping_layers: int = Field(4, ge=1, le=64, description="from z to w")
    rows: int | None = Field(
        None,
        ge=2,
        description="rows of a training batch that the two networks see; all rows train a sketch of the picture, which"
        " costs little and which the generator draws on. None: all rows, and no sketch",
    )
    hidden: int | None = Field(
        None, ge=1, le=WIDEST, description="with `rows`: units of the layers that sketch; None: 512"
    )
    sketch_lr: float | None = Field(
        None, gt=0, description="with `rows`: learning rate of the sketch; None: that of the training"
    )
    watch_noise: float = Field(
        0.0, ge=0, description="std of noise on drawn pictures (0 to 1) before they are embedded"
    )
    reconstruction: float = Field(
        0.0, ge=0, description="weight of the distance to the condition's own picture; not in LAFITE"
    )
    tries: int = Field(
        1,
        ge=1,
        description="with `reconstruction` or `rows`: drawings (with `rows`, sketches) of a condition, of which only"
        " the nearest counts; more give more variety",
    )

    @field_validator("resolution")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if not SMALLEST <= value <= LARGEST or value & (value - 1):
            raise ValueError(f"must be 32, 64, 128 or 256, got {value}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tries > 1 and not self.reconstruction and self.rows is None:
            raise ValueError(
                "tries compares the nearest drawing with the picture, which needs a weight: give reconstruction, or"
                " tries 1"
            )
        if self.watch_noise and not self.watch_weight:
            raise ValueError("watch_noise is added to what the space sees: give watch_weight, or watch_noise 0")
        for name in ("hidden", "sketch_lr"):
            if getattr(self, name) is not None and self.rows is None:
                raise ValueError(
                    f"{name} is for the sketch, and there is none without rows: give rows, or leave {name} out"
                )
        return self

    def sides(self) -> list[int]:
        """The sides of the grids from 4 × 4 up.

        >>> Settings(resolution=32).sides()
        [4, 8, 16, 32]
        """
        return [1 << power for power in range(2, self.resolution.bit_length())]

    def widths(self) -> list[int]:
        """The channels at each of `sides`.

        >>> Settings(resolution=32, channels=1024, max_channels=96).widths()
        [96, 96, 64, 32]
        """
        return [min(self.max_channels, max(8, self.channels // side)) for side in self.sides()]


class State(DecoderState):
    """What training counts and a saved decoder keeps."""

    steps: int = Field(ge=0, lt=2**62)
    mean_length: float  # the running mean of the path lengths


class DrawOptions(GenerationOptions):
    """Options of drawing."""

    truncation: float = Field(
        1.0,
        ge=0,
        le=1,
        description="ψ: how far styles go from the mean; 0 draws the same for every seed, except for noise maps",
    )
    noise: Literal["none", "random"] = Field("none", description="the noise maps: none, or drawn at random")
