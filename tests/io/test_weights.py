"""Writing, reading and hashing weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from c3core import C3Error
from c3core.io.weights import read_tensors, tensor_hash, write_tensors


def test_weights_round_trip(tmp_path: Path) -> None:
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    write_tensors(tmp_path / "w.safetensors", one.state_dict())
    read_tensors(tmp_path / "w.safetensors", other)
    assert torch.equal(one.weight, other.weight)
    assert torch.equal(one.bias, other.bias)


def test_half_precision_rounds_and_refuses_numbers_out_of_range(tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    path = tmp_path / "w.safetensors"
    write_tensors(path, {"weight": torch.full((2, 3), 1 / 3), "bias": torch.zeros(2)}, torch.float16)
    read_tensors(path, module)
    assert torch.equal(module.weight, torch.full((2, 3), 1 / 3).half().float())
    before = path.read_bytes()
    with pytest.raises(C3Error, match="weights=float32"):
        write_tensors(path, {"weight": torch.full((2, 3), 1e6), "bias": torch.zeros(2)}, torch.float16)
    assert path.read_bytes() == before
    write_tensors(path, {"count": torch.tensor(70_001)}, torch.float16)  # a counter is no weight
    assert load_file(path)["count"] == 70_001
    broken = {"weight": torch.full((2, 3), float("nan")), "bias": torch.zeros(2)}
    for dtype in (None, torch.float32, torch.float16):
        with pytest.raises(C3Error, match="weight holds NaN or infinite numbers: its training went wrong"):
            write_tensors(path, broken, dtype)
    save_file(broken, path)
    with pytest.raises(C3Error, match="weight holds NaN"):
        read_tensors(path, module)


def test_a_missing_truncated_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(C3Error, match="is missing"):
        read_tensors(path, nn.Linear(3, 2))
    write_tensors(path, nn.Linear(3, 2).state_dict())
    with pytest.raises(C3Error, match=r"bias has shape \(2,\), expected \(4,\)"):
        read_tensors(path, nn.Linear(3, 4))
    with pytest.raises(C3Error, match=r"bias is not expected"):
        read_tensors(path, nn.Linear(3, 2, bias=False))
    write_tensors(path, nn.Linear(3, 2, bias=False).state_dict())
    with pytest.raises(C3Error, match=r"bias is missing\."):
        read_tensors(path, nn.Linear(3, 2))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(C3Error, match="or truncated"):
        read_tensors(path, nn.Linear(3, 2))


def test_tensor_hash_covers_names_shapes_types_and_values() -> None:
    value = torch.arange(6.0)
    hashes = {
        tensor_hash({"a": value}),
        tensor_hash({"b": value}),
        tensor_hash({"a": value.view(2, 3)}),
        tensor_hash({"a": value.int()}),
        tensor_hash({"a": value + 1}),
        tensor_hash({"a": value.bfloat16()}),
    }
    assert len(hashes) == 6
    assert tensor_hash({"a": value, "b": value}) == tensor_hash({"b": value.clone(), "a": value})
    assert tensor_hash({"a": value.view(2, 3).T}) == tensor_hash({"a": value.view(2, 3).T.contiguous()})
