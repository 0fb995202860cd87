"""Generate in bfloat16 from weights that are kept in float32."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import nn


class Bfloat16Copy:
    """A copy of a model with its weights in bfloat16. It is made again if the weights have changed.

    Autocast would convert every weight again for every token. Buffers are copied as they are: rotary frequencies need
    float32.
    """

    def __init__(self) -> None:
        self._copy: Any = None
        self._made_of: list[tuple[int, int, float]] = []

    def of(self, model: nn.Module) -> Any:
        """Return `model` in bfloat16, in eval mode."""
        state = _state_of(list(model.parameters()))
        if self._copy is None or state != self._made_of:
            with torch.inference_mode(False):  # guidance computes gradients through the copy
                weights = {
                    id(parameter): nn.Parameter(parameter.detach().to(torch.bfloat16), requires_grad=False)
                    for parameter in model.parameters()
                }
                self._copy, self._made_of = deepcopy(model, weights).eval(), state
        return self._copy


def _state_of(parameters: list[nn.Parameter]) -> list[tuple[int, int, float]]:
    """What tells changed weights: place, version and first number. A fused optimizer leaves the version as it is."""
    firsts = torch.stack([parameter.detach()[(0,) * parameter.ndim].float() for parameter in parameters]).tolist()
    return [
        (parameter.data_ptr(), parameter._version, first) for parameter, first in zip(parameters, firsts, strict=True)
    ]
