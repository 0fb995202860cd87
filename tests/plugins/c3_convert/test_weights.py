"""`c3 convert` of files that torch wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from c3_convert.command import convert
from c3_convert.weights import convert_weights
from c3core.errors import C3Error, CorruptFile, WrongCall


def saved(value: Any, path: Path) -> Path:
    torch.save(value, path)
    return path


def test_nested_names_and_positions_are_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = {"model": {"a": torch.ones(2)}, "step": 3, "layers": [torch.zeros(1), torch.ones(1)]}
    convert(saved(value, tmp_path / "weights.pth"), tmp_path / "out.safetensors")
    assert capsys.readouterr().out == f"3 tensors in {tmp_path / 'out.safetensors'}\n"
    found = {name: tensor.tolist() for name, tensor in load_file(tmp_path / "out.safetensors").items()}
    assert found == {"model.a": [1, 1], "layers.0": [0], "layers.1": [1]}


def test_two_tensors_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = saved({"a": {"b": torch.ones(2)}, "a.b": torch.ones(2)}, tmp_path / "twice.pth")
    with pytest.raises(C3Error, match=r"two tensors that would both be called 'a\.b'"):
        convert_weights(twice, tmp_path / "no.safetensors")


@pytest.mark.parametrize("content", [b"hello", b"a note", b"", b"\x80\x04cos\nsystem\n(S'echo'\ntR."])
def test_no_other_file_is_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(content)  # the first letters are words of the unpickler
    with pytest.raises(CorruptFile, match="holds no plain weights"):
        convert_weights(tmp_path / "weights.pth", tmp_path / "no.safetensors")


def test_a_missing_file_and_another_suffix_are_wrong_calls(tmp_path: Path) -> None:
    for name, out in (("no.pth", "no.safetensors"), ("weights.pth", "out.pth")):
        with pytest.raises(WrongCall):
            convert_weights(tmp_path / name, tmp_path / out)


def test_what_contains_itself_or_is_nested_without_end_is_one_error(tmp_path: Path) -> None:
    looped: dict[str, Any] = {"a": torch.ones(2)}
    looped |= {"again": [looped], "twice": {"over": looped}}
    deep: list[Any] = [torch.ones(2)]
    for _ in range(200):
        deep = [deep]
    for value, wrong in ((looped, r"contains itself \(at again.0\)"), (deep, "is nested more than 100 deep")):
        with pytest.raises(CorruptFile, match=wrong):
            convert_weights(saved(value, tmp_path / "weights.pth"), tmp_path / "no.safetensors")
    assert not (tmp_path / "no.safetensors").exists()
