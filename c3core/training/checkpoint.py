"""What a run keeps in its folder to be continued from: the weights that training changes, the optimizers' state, its
metrics.

Tensors are safetensors, the numbers beside them JSON in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from c3core.errors import C3Error, CorruptFile, lines_of
from c3core.io.files import atomic_write, write_text


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that want a gradient, and the persistent buffers: what training changes."""
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
    """Put what `trained_state` gave back; a `C3Error` names a file of another shape."""
    if missing := trained_state(module).keys() - state.keys():
        raise C3Error(f"{path} belongs to another model (it lacks {min(missing)!r}). Choose another folder.")
    try:
        unexpected = module.load_state_dict(state, strict=False).unexpected_keys
    except RuntimeError as error:
        raise C3Error(
            f"{path} belongs to a model of another shape ({lines_of(error)[-1]}). Choose another folder."
        ) from None
    if unexpected:
        raise C3Error(f"{path} belongs to another model (it holds {unexpected[0]!r}). Choose another folder.")


def optimizer_state(optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """The state of optimizers as tensors by name, each one's under its number."""
    return {
        f"optimizer.{number}.{index}.{key}": value
        for number, optimizer in enumerate(optimizers)
        for index, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
    }


def load_optimizer_state(optimizers: Sequence[Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Put what `optimizer_state` gave back, laid out in memory as its parameter: in another order sums round
    otherwise.
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


def write_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors with JSON values beside them; what stood there stays until the new file is whole."""
    with atomic_write(path) as temporary:
        save_file({key: value.contiguous() for key, value in tensors.items()}, temporary, {"state": json.dumps(state)})


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and values that `write_checkpoint` wrote; a `C3Error` for a file that is cut short or something
    else.
    """
    try:
        with safe_open(path, "pt") as file:
            state = dict(json.loads((file.metadata() or {})["state"]))
        return load_file(path), state
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptFile(f"{path} cannot be read ({error}). Delete it to start this run again.") from None


def cut_metrics(path: Path, step: int) -> None:
    """Take out of the metrics what was noted after the checkpoint, and a line that a kill cut: those steps come
    again.
    """
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            noted = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError):
            break
        if noted <= step:
            kept.append(line + "\n")
    write_text(path, "".join(kept))


def differences(kept: Any, asked: Any, name: str = "") -> list[str]:
    """Where two recipes differ, by the name of each field.

    >>> differences({"training": {"learning_rate": 0.1}}, {"training": {"learning_rate": 0.2}, "seed": 1})
    ['seed (it lacks this)', 'training.learning_rate (it has 0.1)']
    """
    if isinstance(kept, dict) and isinstance(asked, dict):
        names = sorted(kept.keys() | asked.keys(), key=str)
        pairs = [
            (f"{name}.{key}" if name else str(key), kept.get(key, _LACKS), asked.get(key, _LACKS)) for key in names
        ]
        return [line for key, one, other in pairs for line in differences(one, other, key)]
    if kept == asked:
        return []
    if kept is _LACKS:
        return [f"{name} (it lacks this)"]
    short = (
        isinstance(kept, str | int | float | None) and len(str(kept)) <= 40
    )  # not whole lists, nor what a file's checksum says
    return [f"{name} (it has {kept})" if short else name]


_LACKS = object()
