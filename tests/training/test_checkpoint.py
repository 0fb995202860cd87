"""Checkpoints: what is written comes back, and what belongs to something else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from c3core.errors import C3Error
from c3core.training.checkpoint import (
    cut_metrics,
    load_optimizer_state,
    load_trained,
    optimizer_state,
    read_checkpoint,
    trained_state,
    write_checkpoint,
)


def test_tensors_and_numbers_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor(2, dtype=torch.int64)}
    write_checkpoint(tmp_path / "c.safetensors", tensors, {"step": 3, "best": float("inf")})
    found, state = read_checkpoint(tmp_path / "c.safetensors")
    assert state == {"step": 3, "best": float("inf")}
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_file_without_the_numbers_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "c.safetensors")
    with pytest.raises(C3Error, match="cannot be read.*Delete it"):
        read_checkpoint(tmp_path / "c.safetensors")


def test_frozen_weights_are_left_out_and_tied_ones_saved_once() -> None:
    module = nn.ModuleDict({"frozen": nn.Linear(2, 2), "one": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2)})
    module["frozen"].requires_grad_(False)
    module["tied"] = module["one"]
    state = trained_state(module)
    assert not any(name.startswith("frozen") for name in state)
    assert {"one.weight", "norm.running_mean"} <= set(state)
    assert "tied.weight" not in state
    load_trained(module, state, Path("c"))


def test_optimizers_go_on_as_if_never_stopped() -> None:
    def made() -> tuple[nn.Linear, list[torch.optim.Optimizer]]:
        torch.manual_seed(0)
        module = nn.Linear(3, 1)
        return module, [torch.optim.AdamW([module.weight]), torch.optim.AdamW([module.bias], lr=0.1)]

    def step(module: nn.Linear, optimizers: list[torch.optim.Optimizer]) -> None:
        module.zero_grad()
        (module(torch.ones(2, 3)) - 3).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()

    whole, own = made()
    for _ in range(4):
        step(whole, own)
    half, first = made()
    for _ in range(2):
        step(half, first)
    last, second = made()
    last.load_state_dict(half.state_dict())
    load_optimizer_state(second, optimizer_state(first))
    for _ in range(2):
        step(last, second)
    assert torch.equal(last.weight, whole.weight)
    assert torch.equal(last.bias, whole.bias)


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(0, 50), st.integers(0, 40))
def test_metrics_are_cut_at_the_checkpoint_and_at_a_torn_line(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], step: int, torn: int
) -> None:
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    steps.sort()
    text = "".join(json.dumps({"step": one, "loss": 0.5}) + "\n" for one in steps)
    path.write_text(text + '{"step": 51, "loss": 0.25'[:torn])
    cut_metrics(path, step)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [one for one in steps if one <= step]


def test_a_checkpoint_without_all_weights_is_refused() -> None:
    smaller, larger = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(C3Error, match=r"lacks '1\.bias'"):
        load_trained(larger, trained_state(smaller), Path("checkpoint.safetensors"))
    with pytest.raises(C3Error, match="holds '1"):
        load_trained(smaller, trained_state(larger), Path("checkpoint.safetensors"))
    with pytest.raises(C3Error, match="another shape"):
        load_trained(smaller, trained_state(nn.Sequential(nn.Linear(3, 2))), Path("checkpoint.safetensors"))
