"""How the suites compare contents, and find tensors and modules in a reader."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from c3core.contracts import Reader
from c3core.testing.readers import held_in, snapshot


class Numbers(Reader):
    def read(self, source):
        return float(source)


def test_a_snapshot_tells_contents_apart():
    for value, other in [
        (np.ones(2), np.ones(2, dtype=np.float32)),
        (np.ones((1, 2)), np.ones((2, 1))),
        (torch.ones(2), torch.tensor([1.0, 1.5])),
        ({"a": [torch.zeros(1)]}, {"a": [torch.ones(1)]}),
        ("a", "b"),
    ]:
        assert snapshot(value) == snapshot(value)
        assert snapshot(value) != snapshot(other)


def test_tensors_are_found_wherever_a_reader_holds_them():
    assert held_in(Numbers()) == []
    reader = Numbers()
    reader.parts = {"model": [nn.Linear(1, 1)]}
    reader.more = (torch.ones(1),)
    assert {"Linear", "Tensor"} <= set(held_in(reader))
