"""The optimizer of an objective."""

from __future__ import annotations

from typing import Any

from torch.optim import AdamW, Optimizer

from c3core.contracts import Objective
from c3core.errors import C3Error
from c3core.training.options import TrainingOptions


def make_optimizer(objective: Objective, options: TrainingOptions) -> Optimizer:
    """AdamW with the training options; those in `objective.optimizer` replace them.

    Weight decay applies only to matrices and higher dimensions: biases and the weights of norms are not decayed.
    """
    if not objective.parameters:
        raise C3Error(f"objective {objective.name!r} has no parameters to train. Unfreeze some, or leave it out.")
    settings: dict[str, Any] = {
        "lr": options.learning_rate,
        "betas": options.betas,
        "weight_decay": options.weight_decay,
    }
    matrices = [parameter for parameter in objective.parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in objective.parameters if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    return AdamW([group for group in groups if group["params"]], fused=True, **{**settings, **objective.optimizer})


def scale_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of every group to `factor` times the one that the optimizer was made with."""
    for group in optimizer.param_groups:
        group["lr"] = factor * optimizer.defaults["lr"]
