"""An encoder of a decoder's outputs that is any function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass
class FunctionEncoder:
    """Conditions of a batch by `function`."""

    function: Callable[[Tensor], Tensor]

    def with_gradient(self, batch: Tensor) -> Tensor:
        return self.function(batch)

    def conditions(self, outputs: Sequence[Any]) -> Tensor:
        raise NotImplementedError
