"""The moving average of a network's weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class MovingAverage(AveragedModel):
    """A copy of a network whose weights are the exponential moving average of the network's own.

    The copy is `module`. After n updates the decay is at most (1 + n) / (10 + n), so that the average soon forgets the
    random start. `updates` is the number of updates that were made before, if the network was loaded.

    >>> network = nn.Linear(2, 2)
    >>> average = MovingAverage(network)
    >>> average.update(network, decay=0.999)
    """

    def __init__(self, network: nn.Module, *, updates: int = 0) -> None:
        super().__init__(network, multi_avg_fn=self._mix)
        self.n_averaged.fill_(updates)
        self._decay = 0.0

    @property
    def updates(self) -> int:
        """The number of updates."""
        return int(self.n_averaged)

    def update(self, network: nn.Module, decay: float) -> None:
        """Move the average towards the network's weights, after a training step."""
        self._decay = decay
        self.update_parameters(network)

    def _mix(self, averaged: Any, current: Any, count: Tensor | int) -> None:
        decay = min(self._decay, (1 + int(count)) / (10 + int(count)))
        get_ema_multi_avg_fn(decay)(averaged, current, count)  # type: ignore[no-untyped-call]
