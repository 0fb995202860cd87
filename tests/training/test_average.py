"""The moving average of weights, against the formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from c3core.training.average import MovingAverage


def test_it_is_short_at_first_and_then_decays_as_asked() -> None:
    network = nn.Linear(1, 1)
    average, values, expected = MovingAverage(network), [5.0, 1.0, -3.0, 2.0], 0.0
    for count, value in enumerate(values):
        nn.init.constant_(network.weight, value)
        average.update(network, decay=0.2)
        decay = min(0.2, (1 + count) / (10 + count))
        expected = value if count == 0 else decay * expected + (1 - decay) * value
        assert average.module.weight.item() == pytest.approx(expected)
    assert average.updates == 4


def test_it_continues_from_the_updates_before() -> None:
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, 1.0)
    average = MovingAverage(network, updates=1000)
    nn.init.constant_(network.weight, 2.0)
    average.update(network, decay=0.9)
    assert average.module.weight.item() == pytest.approx(1.1)
    assert average.updates == 1001


def test_it_is_saved_with_a_module_and_leaves_the_network_alone() -> None:
    network = nn.BatchNorm1d(2)
    average = MovingAverage(network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    average.update(network, decay=0.5)
    network.running_mean.fill_(3.0)
    average.update(network, decay=0.5)
    assert torch.equal(average.module.running_mean, network.running_mean)  # buffers are copied
    assert torch.equal(network.weight, before["weight"])
    other = MovingAverage(nn.BatchNorm1d(2))
    other.load_state_dict(average.state_dict())
    assert other.updates == 2
