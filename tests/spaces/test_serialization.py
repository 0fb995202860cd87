"""The folder of a space: what is saved, and what a fingerprint depends on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from c3core import load_space, load_tower
from c3core.errors import CorruptFile
from c3core.spaces import Head, load_connected, save_connected
from c3core.spaces.serialization import HeadSpec


def save(folder: Path, modality: str = "image", *, frozen: bool = True, **head: Any) -> Path:
    torch.manual_seed(0)
    name, spec = f"playground-{modality}", HeadSpec(hidden=6, **head)
    tower = load_tower(name, frozen=frozen)
    torch.manual_seed(0)
    head_module = Head(tower.width, 4, **spec.model_dump())
    measured = {
        "validation": {"text-image": {"noise_std": 0.04}, "text-audio (2)": {}, "audio-text": {"noise_std": 0.05}}
    }
    towers = {modality: (name, tower, spec, head_module)}
    save_connected(folder, "small", 4, towers, trained_on=["pairs.csv"], measured=measured)
    return folder


def fingerprint(folder: Path, modality: str = "image") -> str:
    return load_connected(folder).encoder(modality).fingerprint


def test_a_fingerprint_changes_with_weights_tower_and_head(tmp_path: Path) -> None:
    first = fingerprint(save(tmp_path / "a"))
    assert fingerprint(save(tmp_path / "b")) == first
    assert fingerprint(save(tmp_path / "c", dropout=0.5)) != first
    assert fingerprint(save(tmp_path / "d", frozen=False)) != first
    assert fingerprint(save(tmp_path / "e", "text"), "text") != first


@pytest.mark.parametrize("frozen", [True, False])
def test_only_a_tower_that_trains_is_saved(tmp_path: Path, frozen: bool) -> None:
    names = load_file(save(tmp_path, frozen=frozen) / "image.safetensors")
    assert any(name.startswith("tower.") for name in names) == (not frozen)
    manifest = json.loads((tmp_path / "space.json").read_text())
    described = manifest["encoders"]["image"]
    assert (described["frozen"], described["license"]) == (frozen, "own")
    assert described["tower"] == {"tower": "playground-image", "frozen": frozen}


def test_encoders_of_a_base_space_are_copied_with_what_they_were_trained_on(tmp_path: Path) -> None:
    base = save(tmp_path / "base", "text")
    torch.manual_seed(1)
    tower = load_tower("playground-image")
    towers = {"image": ("playground-image", tower, HeadSpec(), Head(tower.width, 4))}
    save_connected(tmp_path / "new", "new", 4, towers, base_space=base, trained_on=["more.csv"])
    assert fingerprint(tmp_path / "new", "text") == fingerprint(base, "text")
    assert load_connected(tmp_path / "new").modalities == ("text", "image")
    manifest = json.loads((tmp_path / "new" / "space.json").read_text())
    assert manifest["trained_on"] == ["pairs.csv", "more.csv"]
    assert [*manifest["measured"]["base_space"]] == ["text-audio (2)", "audio-text"]  # those of image are of another


def test_a_damaged_file_of_what_a_space_knows_is_refused(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "familiar.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CorruptFile, match=r"familiar\.safetensors cannot be read"):
        load_connected(tmp_path)


def test_an_encoder_has_the_license_of_its_manifest(tmp_path: Path) -> None:
    path = save(tmp_path) / "space.json"
    manifest = json.loads(path.read_text())
    manifest["encoders"]["image"]["license"] = "CC-BY-4.0"
    path.write_text(json.dumps(manifest))
    assert load_connected(tmp_path).encoder("image").license == "CC-BY-4.0"


def test_a_space_tells_the_noise_that_was_measured_of_its_modalities() -> None:
    noise = load_space("playground").noise_std
    assert [*noise] == [("image", "text"), ("video", "text"), ("audio", "text")]
    assert noise["image", "text"] == pytest.approx(0.0428, abs=1e-4)


def test_a_space_that_a_plugin_ships_has_its_name_and_no_folder(tmp_path: Path) -> None:
    save(tmp_path)
    assert load_connected(tmp_path).folder == tmp_path
    shipped = load_connected(tmp_path, spec="mine")
    assert (shipped.spec, shipped.folder) == ("mine", None)
