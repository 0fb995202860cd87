"""Checkpoints: what is written comes back, and another model's file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from c3core.errors import C3Error, CorruptFile
from c3core.training.checkpoint import TrainingState, load_checkpoint, load_trained, save_checkpoint, trained_state


def test_weights_and_numbers_come_back(tmp_path: Path) -> None:
    def make() -> nn.Module:
        module = nn.Module()
        module.weight = nn.Parameter(torch.randn(3, 2).T)  # not contiguous
        module.register_buffer("count", torch.randint(9, (4,)))
        return module

    saved, loaded = make(), make()
    state = TrainingState(step=3, loss=0.5, losses={"main": 0.5}, seconds=1.5)
    save_checkpoint(tmp_path / "c.safetensors", saved, [], state)
    assert load_checkpoint(tmp_path / "c.safetensors", loaded, []) == state
    assert torch.equal(loaded.weight, saved.weight)
    assert torch.equal(loaded.count, saved.count)
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_file_without_the_numbers_is_refused(tmp_path: Path) -> None:
    save_file({"module.weight": torch.zeros(1)}, tmp_path / "c.safetensors")
    with pytest.raises(CorruptFile, match="Delete it"):
        load_checkpoint(tmp_path / "c.safetensors", nn.Linear(1, 1, bias=False), [])


def test_frozen_weights_are_left_out_and_tied_ones_saved_once() -> None:
    module = nn.ModuleDict({"frozen": nn.Linear(2, 2), "one": nn.Linear(2, 2), "norm": nn.BatchNorm1d(2)})
    module["frozen"].requires_grad_(False)
    module["tied"] = module["one"]
    state = trained_state(module)
    assert not any(name.startswith("frozen") for name in state)
    assert {"one.weight", "norm.running_mean"} <= set(state)
    assert "tied.weight" not in state
    load_trained(module, state, Path("c"))


def test_optimizers_continue_as_if_never_stopped(tmp_path: Path) -> None:
    def make() -> tuple[nn.Linear, list[torch.optim.Optimizer]]:
        torch.manual_seed(0)
        module = nn.Linear(3, 1)
        return module, [torch.optim.AdamW([module.weight]), torch.optim.AdamW([module.bias], lr=0.1)]

    def step(module: nn.Linear, optimizers: list[torch.optim.Optimizer]) -> None:
        module.zero_grad()
        (module(torch.ones(2, 3)) - 3).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()

    whole, optimizers = make()
    for _ in range(4):
        step(whole, optimizers)
    half, first = make()
    for _ in range(2):
        step(half, first)
    save_checkpoint(tmp_path / "c.safetensors", half, first, TrainingState(step=2))
    resumed, second = make()
    assert load_checkpoint(tmp_path / "c.safetensors", resumed, second).step == 2
    for _ in range(2):
        step(resumed, second)
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.bias, whole.bias)


def test_weights_of_another_model_are_refused() -> None:
    smaller, larger = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    path = Path("checkpoint.safetensors")
    with pytest.raises(C3Error, match=r"lacks '1\.bias'"):
        load_trained(larger, trained_state(smaller), path)
    with pytest.raises(C3Error, match="holds '1"):
        load_trained(smaller, trained_state(larger), path)
    with pytest.raises(C3Error, match="another shape"):
        load_trained(smaller, trained_state(nn.Sequential(nn.Linear(3, 2))), path)
