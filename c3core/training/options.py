"""Training options, and the learning rate that they give each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from importlib.util import find_spec
from inspect import signature
from math import cos, pi
from typing import Annotated, Any, Literal, ParamSpec, TypeVar

from pydantic import BaseModel, Field, field_validator

from c3core.errors import NotInstalled, WrongCall
from c3core.io.validation import checked

Given = ParamSpec("Given")
Result = TypeVar("Result")
Beta = Annotated[float, Field(ge=0, lt=1)]
Tracker = Literal[
    "aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb"
]  # of accelerate; each is the name of its package, too


class TrainingOptions(BaseModel, extra="forbid", allow_inf_nan=False):
    """Options of the training loop, for every decoder and for `c3 connect`. Most have the names of transformers'
    `TrainingArguments`.

    - How long: `steps`, or `epochs` over the data if `steps` is None.
    - Learning rate: it rises linearly over `warmup_steps` (at most half of all steps), then `lr_scheduler_type` lowers
      it to zero ("linear", "cosine") or keeps it ("constant").
    - `max_grad_norm` is the largest norm of an objective's gradient; a larger one is scaled down. None: do not clip.
    - `validation_split` is the share of the targets that is held out if no validation data are given.
    - Early stopping: every `eval_steps`, or after each epoch with `eval_strategy` "epoch", the loss on the held-out
      data is computed. Training stops after `early_stopping_patience` evaluations without a lower loss, and the weights
      of the lowest are kept.
    - A checkpoint is written every `save_steps`, a line of `metrics.jsonl` every `logging_steps`.
    - `track` names trackers, such as "tensorboard" or ["tensorboard", "wandb"], that show the figures of
      `metrics.jsonl` as curves. A run with other trackers is the same run: it resumes. Raises `NotInstalled` for a
      tracker that is not installed.
    - `precision` "auto" is bfloat16 on CUDA and float32 elsewhere. A device that would have to emulate bfloat16, as
      most processors would, trains in float32: to emulate it takes many times as long.

    >>> TrainingOptions(steps=1000, learning_rate=1e-3, warmup_steps=50).lr_scheduler_type
    'cosine'
    """

    steps: int | None = Field(None, ge=1, description="how long it trains; null: `epochs`")
    epochs: float = Field(10.0, gt=0, description="passes over the data")
    batch_size: int = Field(64, ge=1, description="items of a step")
    learning_rate: float = Field(5e-4, gt=0, description="the highest")
    warmup_steps: int = Field(100, ge=0, description="steps over which the rate rises, at most half of all")
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = Field(
        "cosine", description="then the rate falls to zero, or stays"
    )
    betas: tuple[Beta, Beta] = Field((0.9, 0.999), description="of AdamW")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    max_grad_norm: float | None = Field(1.0, gt=0, description="a larger gradient is scaled down; null: not")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="auto: bfloat16 on CUDA, else float32. A device that would emulate bfloat16 trains in float32",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="random seed")
    validation_split: float = Field(
        0.02, ge=0, lt=1, description="share of the targets that is held out if no `validation` is given"
    )
    eval_strategy: Literal["steps", "epoch"] = Field(
        "steps", description="evaluate the held-out loss every `eval_steps`, or after each epoch"
    )
    eval_steps: int = Field(500, ge=1, description="steps from one evaluation to the next")
    early_stopping_patience: int = Field(
        4, ge=1, description="stop after so many evaluations without a lower loss; the best weights are kept"
    )
    save_steps: int = Field(500, ge=1, description="steps from one checkpoint to the next")
    logging_steps: int = Field(50, ge=1, description="steps from one line of `metrics.jsonl` to the next")
    track: tuple[Tracker, ...] = Field(
        (), exclude=True, description="trackers that show `metrics.jsonl` as curves: a name or a list"
    )

    @field_validator("track", mode="before")
    @classmethod
    def _listed(cls, track: Any) -> Any:
        """One name is a list of one."""
        return [track] if isinstance(track, str) else track

    @field_validator("track")
    @classmethod
    def _installed(cls, track: tuple[Tracker, ...]) -> tuple[Tracker, ...]:
        """Refuse a tracker that is not installed, before hours of training. A name counts once."""
        for name in track:
            found = find_spec(name)
            if found is None or found.origin is None:  # a folder of that name, such as wandb writes, is no package
                what = '"c3core[tensorboard]"' if name == "tensorboard" else name.replace("_", "-")
                raise NotInstalled(f"track: {name} is not installed. Run: pip install {what}")
        return tuple(dict.fromkeys(track))

    @classmethod
    def of(cls, options: TrainingOptions | Mapping[str, Any] | None) -> TrainingOptions:
        """Check a mapping of options, or return options as they are. A `WrongCall` names a wrong field."""
        return options if isinstance(options, TrainingOptions) else checked(cls, options or {}, what="training options")

    def learning_rate_factor(self, step: int, total_steps: int) -> float:
        """The factor (0 to 1) on the learning rate at a step, counted from 0.

        >>> TrainingOptions(warmup_steps=2, lr_scheduler_type="linear").learning_rate_factor(0, 10)
        0.5
        """
        warmup_steps = min(self.warmup_steps, total_steps // 2)
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        if self.lr_scheduler_type == "constant":
            return 1.0
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return 1 - progress if self.lr_scheduler_type == "linear" else 0.5 * (1 + cos(pi * progress))


def accepts_training(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Decorate a function that takes `training=`: a training option given as a keyword gets a `WrongCall` with a hint.

    >>> @accepts_training
    ... def fit(items, training=None): ...
    >>> fit([1], steps=20)
    Traceback (most recent call last):
    ...
    c3core.errors.WrongCall: `fit` takes training options together. Write training={'steps': 20}.
    """
    fields = TrainingOptions.model_fields.keys() - signature(function).parameters

    @wraps(function)
    def checked_call(*values: Given.args, **named: Given.kwargs) -> Result:
        if options := {name: value for name, value in named.items() if name in fields}:
            raise WrongCall(f"`{function.__name__}` takes training options together. Write training={options!r}.")
        return function(*values, **named)

    return checked_call
