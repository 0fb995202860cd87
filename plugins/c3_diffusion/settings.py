"""What a diffusion decoder is made of, and the options of its sampling."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from c3core.contracts import GenerateOptions

MOST = 1 << 16  # dimensions of a condition: more is a broken file
WIDEST = 1 << 13  # units of a layer: far more than the method wants, and what memory still holds
GROUPS = 8  # of channels that are normalised together


class Settings(BaseModel):
    """Options of `DiffusionDecoder`; unknown fields are refused by name."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    size: int = Field(32, ge=8, le=2048, description="side of the pictures in pixels")
    autoencoder: str | None = Field(
        None,
        min_length=1,
        description="draw in the latents of this AutoencoderKL or AutoencoderTiny (hub name or folder); None: in"
        " pixels",
    )
    patch: int = Field(
        2, ge=1, le=64, description="side of the squares of pixels (or latents) that the network sees as one place"
    )
    widths: tuple[int, ...] = Field(
        (32, 64, 64), min_length=2, description="channels of each level of the UNet; each but the last halves the side"
    )
    layers: int = Field(1, ge=1, le=64, description="residual blocks a level")
    hidden: int = Field(512, ge=1, le=WIDEST, description="units of the layers that read the condition")
    layout: int = Field(16, ge=1, le=WIDEST, description="channels of the coarse map that the condition is laid out as")
    rows: int | None = Field(
        None,
        ge=1,
        description="rows of a training batch that go through the UNet; the rest teach a sketch of the picture,"
        " which costs little. None: all, and no sketch",
    )
    watch_weight: float = Field(
        0.0,
        ge=0,
        description="with `rows`: of 1 − the cosine between what the space sees in these rows' sketches and pictures",
    )
    watch_drawn: float = Field(0.0, ge=0, description="the same of the pictures that the UNet finds in noisy ones")
    watch_sampled: float = Field(
        0.0, ge=0, description="the same of pictures that it finds on its way of drawing from noise"
    )
    watch_noise: float = Field(0.0, ge=0, description="std of noise on any of them (0 to 1) before they are embedded")
    watch_shift: int = Field(
        0, ge=0, description="pixels by which they and the true pictures are moved at most before that"
    )
    drop: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of the training rows whose condition is hidden, for guidance; after 0 there is none to"
        " draw with",
    )
    time_mean: float = Field(0.8, description="of the noise level's logit while training; higher: more noise")
    time_std: float = Field(0.8, gt=0)
    keep_above: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="trained further: the noise level above which the UNet is to find what it found before; set by"
        " `tune`",
    )
    average: float = Field(0.999, ge=0, lt=1, description="decay of the moving average of the weights")
    weights: Literal["float32", "float16"] = Field("float32", description="of the file that `save` writes")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for width in self.widths:
            if not GROUPS <= width <= WIDEST or width % GROUPS:
                raise ValueError(f"widths must be multiples of {GROUPS}, at most {WIDEST}, got {width}")
        if self.watch_weight and self.rows is None:
            raise ValueError(
                "watch_weight looks at sketches, and there are none without rows: give rows, or watch_weight 0"
            )
        if (self.watch_noise or self.watch_shift) and not (self.watch_weight or self.watch_drawn or self.watch_sampled):
            raise ValueError(
                "watch_noise and watch_shift change what the space looks at: give watch_weight, watch_drawn or"
                " watch_sampled"
            )
        if self.keep_above is not None and (self.watch_drawn or self.watch_sampled):
            raise ValueError(
                "keep_above holds on to drawings that watch_drawn and watch_sampled would change: set these to 0"
            )
        return self


class Saved(BaseModel):
    """`decoder.json`, as `save` writes it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    condition_dim: int = Field(ge=1, le=MOST)
    license: str
    settings: Settings = Field(strict=False)
    steps: int = Field(0, ge=0, lt=2**62)  # not said by the first files


GUIDANCE = 3.0  # where none is asked for


class PictureOptions(GenerateOptions):
    """How pictures are drawn.

    `guidance` g mixes what is seen with and without the condition: x₀ + g (x − x₀). 1 is plain sampling, 0 looks away
    from the condition, more than 1 follows it closer, until the noise level t (1 noise, 0 picture) falls below
    `guidance_until`: the steps from there on are plain. With `fresh_noise` each step joins the picture found with new
    noise, so that what a step got wrong is not kept; without, a drawing follows the flow from its first noise, which is
    for many steps. With `noise="own"` each row has noise of its own, so that its picture does not depend on the batch
    size; "shared" gives all rows the same noise, so that their pictures differ by their conditions alone.
    """

    steps: int = Field(12, ge=1, le=1000)
    guidance: float | None = Field(None, ge=0, description="None: 3, or 1 for a decoder that was trained with `drop` 0")
    guidance_until: float = Field(
        0.3, ge=0, le=1, description="noise level below which guidance beyond 1 ends; 0: never"
    )
    fresh_noise: bool = True
    noise: Literal["own", "shared"] = "own"
    batch_size: int = Field(64, ge=1, description="pictures drawn at once")
