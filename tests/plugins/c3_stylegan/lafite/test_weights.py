"""Which files are LAFITE's, and what is said of the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from c3_stylegan.lafite.decoder import LafiteDecoder
from c3_stylegan.lafite.shape import Shape
from c3_stylegan.lafite.weights import read_shape
from c3core.errors import C3Error, CorruptFile, WrongCall
from tests.helpers.lafite import lafite_tensors, write_lafite


def refusal(path: Path) -> str:
    with pytest.raises(C3Error) as error:
        LafiteDecoder(8, model=str(path), device="cpu")
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(folder: Path, tensors: dict[str, Tensor]) -> str:
    """What is said of a file with these tensors."""
    path = folder / "lafite.safetensors"
    save_file(tensors, path)
    return refusal(path).removeprefix(f"{path} ")


def test_the_sizes_are_read_from_the_tensors(tmp_path: Path) -> None:
    path = write_lafite(tmp_path / "a.safetensors", widths=(7, 6, 5, 4), layers=3)
    expected = Shape(widths=(7, 6, 5, 4), z=7, style=6, condition=8, hidden=5, code=9, mapping_layers=3)
    assert read_shape(path) == expected
    assert LafiteDecoder(8, model=str(path), device="cpu").resolution == 32


def test_a_pickle_is_named_with_the_command_that_converts_it(tmp_path: Path) -> None:
    (tmp_path / "best-fid.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(WrongCall, match=r"is not a \.safetensors file\. Convert .* c3 convert FILE\.pkl"):
        LafiteDecoder(8, model=str(tmp_path / "best-fid.pkl"))
    assert "does not exist" in refusal(tmp_path / "none.safetensors")


def test_a_part_of_the_networks_is_refused(tmp_path: Path) -> None:
    tensors = lafite_tensors()
    half = {name: value for name, value in tensors.items() if name.startswith("G_ema.")}
    assert changed(tmp_path, half).startswith("holds no G, D. It holds G_ema. Convert the whole .pkl")
    assert changed(tmp_path, {"weight": torch.ones(2)}).startswith("holds no G, G_ema, D. It holds weight.")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("G.synthesis.b8.conv1.bias", None, "G.synthesis.b8.conv1.bias is missing"),
        ("D.b4.fts.weight", None, "D.b4.fts.weight is missing"),
        ("G_ema.mapping.w_avg", None, "G_ema.mapping.w_avg is missing"),
        ("G_ema.mapping.embed.weight", torch.ones(6, 10), "G_ema.mapping.embed.weight is not expected"),
        ("D.b4.fts.weight", torch.ones(9, 6), "D.b4.fts.weight has shape (9, 6), expected (8, 6)"),
        ("G_ema.synthesis.b4.conv1.pre_0.weight", torch.ones(5), "its tensors have other shapes"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(tmp_path: Path, name: str, value: Tensor | None, message: str) -> None:
    tensors = lafite_tensors()
    tensors.pop(name, None)
    tensors |= {} if value is None else {name: value}
    assert changed(tmp_path, tensors).startswith(f"does not hold LAFITE's network: {message}. Convert the whole .pkl")


def test_plain_stylegan2_ada_is_refused(tmp_path: Path) -> None:
    """Its layers have an `affine` where LAFITE's have `pre_0`, `pre_1` and `affine_0`."""
    tensors = {re.sub(r"affine_0", "affine", name): value for name, value in lafite_tensors().items()}
    tensors = {name: value for name, value in tensors.items() if ".pre_" not in name}
    assert "synthesis.b4.conv1.pre_0.weight is missing" in changed(tmp_path, tensors)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = write_lafite(tmp_path / "lafite.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptFile, match="is missing or truncated"):
        LafiteDecoder(8, model=str(path))


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    tensors = lafite_tensors()
    tensors["D.b4.fc.bias"][0] = torch.nan
    save_file(tensors, tmp_path / "lafite.safetensors")
    decoder = LafiteDecoder(8, model=str(tmp_path / "lafite.safetensors"), device="cpu")
    with pytest.raises(CorruptFile, match=r"D\.b4\.fc\.bias holds NaN"):
        decoder.prepare([])


def test_conditions_of_another_size_are_refused(tmp_path: Path) -> None:
    path = write_lafite(tmp_path / "lafite.safetensors")
    with pytest.raises(WrongCall, match=r"takes conditions of size 8, not 16\. Use the space"):
        LafiteDecoder(16, model=str(path))
