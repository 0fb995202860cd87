"""What the training loop takes, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from c3core.contracts import Objective


@dataclass
class TrainingTask:
    """A module to train, its objectives, and its data.

    `rows(epoch)` yields the rows of each batch, in an order that depends only on the epoch. `batch(rows, generator)`
    turns them into the arguments of the objectives' losses, and draws all that is random from `generator`. `validate()`
    returns a number that is lower for a better module; None trains without validation. `after_step(step)` is called
    after each step, counted from 1. `samples()` returns some outputs, texts or uint8 pictures (h, w, 3), which trackers
    show after each validation.

    `batch_size` is used only to show items per second. `device` is where a single process trains; None takes an
    accelerator if there is one. Each of several processes has its own device.
    """

    module: nn.Module
    objectives: list[Objective]
    rows: Callable[[int], Iterable[Any]]
    batch: Callable[[Any, torch.Generator], tuple[Any, ...]]
    batches_per_epoch: int
    validate: Callable[[], float] | None = None
    after_step: Callable[[int], None] | None = None
    samples: Callable[[], list[Any]] | None = None
    label: str = "training"
    batch_size: int = 0
    device: torch.device | None = None


@dataclass
class TrainingResult:
    """How a training ended.

    `steps` is the number of steps, and `loss` the first objective's loss at the last one. `best` is the lowest
    validation result, None without validation, and `best_step` the step that gave it (0 if none was finite). `seconds`
    counts all sessions of a resumed run.
    """

    steps: int
    loss: float
    best: float | None
    best_step: int
    seconds: float
