"""Checkpoints: the trained weights, the optimizers' state, and the numbers of a run.

A checkpoint is one safetensors file. Tensors have names in it; the numbers are JSON in its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from c3core.errors import C3Error, CorruptFile, lines_of
from c3core.io.files import atomic_write

MODULE = "module."  # prefix of the module's tensors in the file


@dataclass
class TrainingState:
    """The numbers that change while a run trains."""

    step: int = 0  # steps that are done
    loss: float = inf  # of the first objective at its last step
    losses: dict[str, float] = field(default_factory=dict)  # of each objective at its last step
    best: float = inf  # the lowest validation result
    best_step: int = 0
    evaluations_since_best: int = 0
    seconds: float = 0.0


def save_checkpoint(path: Path, module: nn.Module, optimizers: Sequence[Optimizer], state: TrainingState) -> None:
    """Write a checkpoint. An older one at `path` stays until the new one is whole."""
    tensors = {MODULE + name: tensor for name, tensor in trained_state(module).items()} | optimizer_state(optimizers)
    metadata = {"state": json.dumps(asdict(state))}
    with atomic_write(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def load_checkpoint(path: Path, module: nn.Module, optimizers: Sequence[Optimizer]) -> TrainingState:
    """Restore the module and the optimizers in place, and return the numbers of the run.

    Raises `CorruptFile` if the file is damaged, and `C3Error` if it belongs to another model.
    """
    try:
        with safe_open(path, "pt") as file:
            state = TrainingState(**json.loads((file.metadata() or {})["state"]))
        tensors = load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptFile(f"{path} cannot be read ({error}). Delete it to train from the start.") from None
    weights = {name.removeprefix(MODULE): tensor for name, tensor in tensors.items() if name.startswith(MODULE)}
    load_trained(module, weights, path)
    load_optimizer_state(optimizers, tensors)
    return state


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """What training changes: the parameters that require a gradient, and the persistent buffers."""
    frozen = {
        name for name, parameter in module.named_parameters(remove_duplicate=False) if not parameter.requires_grad
    }
    seen, state = set[int](), {}
    for name, value in module.state_dict().items():
        if name not in frozen and value.data_ptr() not in seen:  # tied weights are saved once
            if value.numel():
                seen.add(value.data_ptr())
            state[name] = value.detach().cpu()
    return state


def load_trained(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load what `trained_state` returned. Raises `C3Error`, which names `path`, if it does not fit the module."""
    if missing := trained_state(module).keys() - state.keys():
        raise C3Error(f"{path} belongs to another model (it lacks {min(missing)!r}). Choose another folder.")
    try:
        unexpected = module.load_state_dict(state, strict=False).unexpected_keys
    except RuntimeError as error:
        raise C3Error(f"{path} belongs to a model of another shape ({lines_of(error)[-1]}).") from None
    if unexpected:
        raise C3Error(f"{path} belongs to another model (it holds {unexpected[0]!r}). Choose another folder.")


def optimizer_state(optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """The state of several optimizers as named tensors."""
    return {
        f"optimizer.{number}.{index}.{key}": value
        for number, optimizer in enumerate(optimizers)
        for index, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }


def load_optimizer_state(optimizers: Sequence[Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Load what `optimizer_state` returned.

    Each tensor gets the memory layout of its parameter: in another order sums are rounded differently.
    """
    for number, optimizer in enumerate(optimizers):
        saved: dict[int, dict[str, Tensor]] = {}
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for key, value in tensors.items():
            if key.startswith(f"optimizer.{number}."):
                index, name = key.split(".")[-2:]
                parameter = parameters[int(index)]
                if value.shape == parameter.shape:
                    value = torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
                saved.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": saved, "param_groups": optimizer.state_dict()["param_groups"]})
