"""How to train: the options of the one training loop, and the learning rate's schedule."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, pi
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from c3core.io.validation import checked

Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainingOptions(BaseModel):
    """How to train. The same options for every decoder and for `c3 connect`.

    The number of steps is `steps`, or `epochs` over the data. Warm-up is linear over `warmup` steps, or over half of
    all where that is less; then the learning rate decays to zero by `schedule`. Early stopping: the loss on held-out
    data is taken every `validate_every` steps, the best weights are kept, and training ends after `patience`
    validations without a better one.

    `precision` "auto" is bfloat16 on CUDA and float32 elsewhere. A device that does not compute in bfloat16, as most
    processors do not, trains in float32 even so: to emulate it takes many times as long. (Older torch does not tell;
    then bfloat16 is taken.)
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    steps: int | None = Field(None, ge=1)
    epochs: float = Field(10.0, gt=0)
    batch_size: int = Field(64, ge=1)
    lr: float = Field(5e-4, gt=0)
    warmup: int = Field(100, ge=0)
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = Field(0, ge=0, lt=2**63)
    validation_share: float = Field(
        0.02, ge=0, lt=1, description="held out of the targets when no validation set is given"
    )
    validate_every: int = Field(500, ge=1)
    patience: int = Field(4, ge=1)
    checkpoint_every: int = Field(500, ge=1)
    log_every: int = Field(50, ge=1)

    @classmethod
    def of(cls, options: TrainingOptions | Mapping[str, Any] | None) -> TrainingOptions:
        """Options as they are, or checked from a mapping; a `C3Error` names a field that is wrong."""
        return options if isinstance(options, TrainingOptions) else checked(cls, options or {}, what="training options")

    def rate(self, step: int, total: int) -> float:
        """The factor on the learning rate at a step (from 0) of `total`: warm-up, then decay to zero."""
        warmup = min(self.warmup, total // 2)
        if step < warmup:
            return (step + 1) / warmup
        if self.schedule == "constant":
            return 1.0
        done = (step - warmup) / max(1, total - warmup)
        return 1 - done if self.schedule == "linear" else 0.5 * (1 + cos(pi * done))
