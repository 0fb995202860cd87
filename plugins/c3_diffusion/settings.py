"""The settings of a diffusion decoder, and its generation options."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from c3core.contracts import DecoderSettings, DecoderState, GenerationOptions

WIDEST = 1 << 13  # units of a layer: far more than the method wants, and still few enough for memory
GROUPS = 8  # of channels that are normalized together
GUIDANCE = 3.0  # if none is asked for


class Settings(DecoderSettings):
    """What a `DiffusionDecoder` is made of and how it is trained."""

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
    layers: int = Field(1, ge=1, le=64, description="residual blocks of each level")
    hidden: int = Field(512, ge=1, le=WIDEST, description="units of the layers that read the condition")
    layout: int = Field(16, ge=1, le=WIDEST, description="channels of the coarse map that is made of the condition")
    rows: int | None = Field(
        None,
        ge=1,
        description="rows of a training batch that go through the UNet; all rows train a sketch of the picture, which"
        " costs little. None: all rows, and no sketch",
    )
    watch_weight: float = Field(
        0.0,
        ge=0,
        description="with `rows`: of 1 − the cosine between the embeddings of these rows' sketches and pictures",
    )
    watch_drawn: float = Field(0.0, ge=0, description="the same for the pictures that the UNet finds in noisy ones")
    watch_sampled: float = Field(
        0.0, ge=0, description="the same for pictures that the UNet finds while it draws from noise"
    )
    watch_noise: float = Field(
        0.0, ge=0, description="std of noise on these pictures (0 to 1) before they are embedded"
    )
    watch_shift: int = Field(
        0, ge=0, description="pixels by which these and the true pictures are moved at most before they are embedded"
    )
    drop: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of the training rows whose condition is hidden, for guidance; with 0 drawings cannot be"
        " guided",
    )
    time_mean: float = Field(0.8, description="of the noise level's logit while training; higher: more noise")
    time_std: float = Field(0.8, gt=0, description="of the noise level's logit while training")
    keep_above: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="for a further training: the noise level above which the UNet must find what it found before; set"
        " by `reconfigure`",
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
                "watch_weight is for sketches, and there are none without rows: give rows, or watch_weight 0"
            )
        if (self.watch_noise or self.watch_shift) and not (self.watch_weight or self.watch_drawn or self.watch_sampled):
            raise ValueError(
                "watch_noise and watch_shift change what the space sees: give watch_weight, watch_drawn or"
                " watch_sampled"
            )
        if self.keep_above is not None and (self.watch_drawn or self.watch_sampled):
            raise ValueError(
                "keep_above keeps drawings that watch_drawn and watch_sampled would change: set these to 0"
            )
        return self

    def to_save(self) -> dict[str, Any]:
        """As JSON values, without `keep_above`: it is for one training only."""
        return super().to_save() | {"keep_above": None}


class State(DecoderState):
    """What training counts and a saved decoder keeps."""

    steps: int = Field(ge=0, lt=2**62)


class PictureOptions(GenerationOptions):
    """Options of drawing.

    `guidance` g mixes what the network finds with the condition (x) and without it (x₀): x₀ + g (x − x₀). 1 is plain
    sampling, 0 ignores the condition, and more than 1 follows it closer, until the noise level t (1 noise, 0 picture)
    falls below `guidance_until`: the steps after that are plain. With `fresh_noise` each step mixes the picture that it
    finds with new noise, so that errors of a step are not kept. Without it, a drawing follows the flow from its first
    noise, which is for many steps. With `noise="own"` each row has noise of its own, and its picture does not depend on
    the batch size. With "shared" all rows have the same noise, so that their pictures differ only by their conditions.
    """

    steps: int = Field(12, ge=1, le=1000)
    guidance: float | None = Field(None, ge=0, description="None: 3, or 1 for a decoder that was trained with `drop` 0")
    guidance_until: float = Field(
        0.3, ge=0, le=1, description="noise level below which guidance beyond 1 ends; 0: it never ends"
    )
    fresh_noise: bool = True
    noise: Literal["own", "shared"] = "own"
