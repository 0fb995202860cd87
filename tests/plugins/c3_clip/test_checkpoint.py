"""Files of weights: what is refused, and what is warned of."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

import c3core
from c3core.errors import CorruptFile


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('code of a file ran')",))


def write_wrong(kind: str, folder: Path, path: Path) -> None:
    """Write a file that is not the whole weights of the model in `folder`."""
    weights = torch.load(folder / "tiny.pt", weights_only=True)
    whole = (folder / "open_clip_model.safetensors").read_bytes()
    match kind:
        case "text":
            path.write_text("no weights")
        case "truncated":
            path.write_bytes(whole[: len(whole) // 2])
        case "code":
            path.write_bytes(pickle.dumps({"state_dict": Evil()}))
        case "script":
            torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
        case "list":
            torch.save([1, 2, 3], path)
        case "some":
            torch.save({name: value for name, value in weights.items() if name.startswith("visual.")}, path)


@pytest.mark.filterwarnings("ignore")  # torch: that TorchScript is old
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("text", "safetensors"),
        ("truncated", "safetensors"),
        ("code", "pt"),
        ("script", "pt"),
        ("list", "pt"),
        ("some", "pt"),
    ],
)
def test_a_file_that_is_not_the_models_weights_is_one_line(
    folder: Path, tmp_path: Path, kind: str, suffix: str
) -> None:
    path = tmp_path / f"wrong.{suffix}"
    write_wrong(kind, folder, path)
    with pytest.raises(CorruptFile) as caught:
        c3core.load_space(f"clip:{folder}/tiny.json/{path}").encoder("image")
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("vision_cfg", {"image_size": 64}),  # open_clip would resize the positions of these two without a word
        ("text_cfg", {"context_length": 32}),
        ("vision_cfg", {"width": 96}),
        ("vision_cfg", {"layers": 3}),
    ],
)
def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path, part: str, change: dict[str, int]) -> None:
    config = json.loads((folder / "tiny.json").read_text())
    config["model_cfg"][part] |= change
    (tmp_path / "other.json").write_text(json.dumps(config))
    for file in ("tiny.pt", "tiny.bin", "open_clip_model.safetensors"):
        with pytest.raises(CorruptFile, match="holds another model than"):
            c3core.load_space(f"clip:{tmp_path}/other.json/{folder}/{file}").encoder("text")


@pytest.mark.usefixtures("tagged")
def test_a_file_that_may_be_openais_is_warned_of(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "open_clip_model.safetensors")
    named, half = tmp_path / "openai-b32.safetensors", tmp_path / "b32.safetensors"
    save_file(weights, named)
    save_file({name: value.half() for name, value in weights.items()}, half)
    for path in (named, half):
        with pytest.warns(UserWarning, match=f"write clip:ViT-B-32-quickgelu/{path}"):
            c3core.load_space(f"clip:ViT-B-32/{path}").encoder("image")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        c3core.load_space(f"clip:ViT-B-32-quickgelu/{named}").encoder("image")
        c3core.load_space(f"clip:ViT-B-32/{folder}/open_clip_model.safetensors").encoder("image")


def test_a_file_with_a_description_that_may_be_openais_is_warned_of(folder: Path, tmp_path: Path) -> None:
    weights = {name: value.half() for name, value in load_file(folder / "open_clip_model.safetensors").items()}
    described = json.loads((folder / "tiny.json").read_text())
    save_file(weights, tmp_path / "open_clip_model.safetensors")
    for quick in (False, True):
        described["model_cfg"]["quick_gelu"] = quick
        for name in ("open_clip_config.json", "tiny.json"):
            (tmp_path / name).write_text(json.dumps(described))
        for spec in (f"clip:local-dir:{tmp_path}", f"clip:{tmp_path}/tiny.json/{tmp_path}/open_clip_model.safetensors"):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                c3core.load_space(spec).encoder("image")
            assert any('set "quick_gelu": true' in str(one.message) for one in said) is not quick


def test_a_file_for_a_model_that_takes_other_pixels_is_warned_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads((folder / "tiny.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "ViT-B-16-SigLIP", config)
    with pytest.warns(UserWarning, match="take other pixels"):
        c3core.load_space(f"clip:ViT-B-16-SigLIP/{folder}/open_clip_model.safetensors").encoder("image")
