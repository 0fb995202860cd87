"""The copy follows the weights, whatever changed them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from c3_gpt2.bfloat16_copy import Bfloat16Copy


@pytest.mark.parametrize("fused", [True, False])
def test_the_copy_follows_each_step_of_an_optimizer(fused: bool) -> None:
    torch.manual_seed(0)
    model, copy = nn.Linear(4, 3), Bfloat16Copy()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
    for _ in range(3):
        made = copy.of(model)
        assert made is copy.of(model)  # nothing changed: not made again
        assert torch.equal(made.weight, model.weight.bfloat16())
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
    assert torch.equal(copy.of(model).weight, model.weight.bfloat16())
