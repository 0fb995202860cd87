"""Weights from a seed, a file, a folder, a tag and a hub; fingerprints and licenses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

import c3core
from c3core import C3Error, Space
from c3core.embedding import embed

PICTURE = np.random.default_rng(3).integers(0, 256, (70, 50, 3), dtype=np.uint8)


def both(space: Space) -> torch.Tensor:
    return torch.cat([space.encode(["a red circle"], "text"), space.encode([PICTURE], "image")])


def test_the_model_is_loaded_once_when_first_asked_for(folder: Path) -> None:
    space = c3core.load_space(f"clip:{folder}/tiny.json/random")
    assert (space.dim, space.modalities) == (32, ("text", "image", "video"))
    assert space.encoder("image").clip is space.encoder("text").clip is space.encoder("video").clip


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "tiny.pt", "tiny.bin"])
def test_the_same_weights_are_the_same_whatever_the_file(folder: Path, file: str) -> None:
    whole, space = (
        c3core.load_space(f"clip:local-dir:{folder}"),
        c3core.load_space(f"clip:{folder}/tiny.json/{folder}/{file}"),
    )
    assert torch.equal(both(space), both(whole))
    for modality in space.modalities:
        assert space.encoder(modality).fingerprint == whole.encoder(modality).fingerprint


def test_a_file_of_a_shipped_model(tmp_path: Path) -> None:
    """Of a small model of open_clip, in half precision."""
    torch.manual_seed(1)
    model = open_clip.create_model("ViT-S-32-alt").half()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, tmp_path / "small.safetensors")
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-S-32-alt", str(tmp_path / "small.safetensors"))
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(c3core.media.ImageReader().read(PICTURE))[None])
    space = c3core.load_space(f"clip:ViT-S-32-alt/{tmp_path}/small.safetensors")
    torch.testing.assert_close(space.encode([PICTURE], "image"), expected / expected.norm(), rtol=0, atol=1e-5)
    assert space.spec == f"clip:ViT-S-32-alt/{tmp_path}/small.safetensors"


def test_random_weights_are_open_clips_own_and_their_seed_counts(folder: Path) -> None:
    state = torch.random.get_rng_state()
    spaces = [c3core.load_space(f"clip:{folder}/tiny.json/random", seed=seed) for seed in (7, 7, 8)]
    seven, again, eight = (both(space) for space in spaces)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(seven, again)
    assert (seven - eight).abs().max() > 0.01
    torch.testing.assert_close(
        seven, both(c3core.load_space(f"clip:local-dir:{folder}"))
    )  # made by open_clip under seed 7
    assert spaces[0].encoder("image").fingerprint != spaces[2].encoder("image").fingerprint
    reloaded = c3core.load_space(spaces[0].spec)
    assert reloaded.spec.endswith("?seed=7")
    assert torch.equal(both(reloaded), seven)


def test_fingerprints_are_of_weights_pixels_and_frames(folder: Path, tmp_path: Path) -> None:
    def prints(config: dict[str, Any], weights: Path = folder / "tiny.pt", **options: Any) -> dict[str, str]:
        (tmp_path / "other.json").write_text(json.dumps(config))
        space = c3core.load_space(f"clip:{tmp_path}/other.json/{weights}", **options)
        return {modality: space.encoder(modality).fingerprint for modality in space.modalities}

    config = json.loads((folder / "tiny.json").read_text())
    base = prints(config)
    assert len(set(base.values())) == 3
    assert prints(config, precision="bfloat16") == base
    other = {**config, "preprocess_cfg": {**config["preprocess_cfg"], "mean": [0.4, 0.5, 0.46]}}
    assert {name for name, value in prints(other).items() if value != base[name]} == {"image", "video"}
    assert {name for name, value in prints(config, frames=5).items() if value != base[name]} == {"video"}
    quick = {**config, "model_cfg": {**config["model_cfg"], "quick_gelu": True}}
    assert not set(prints(quick).values()) & set(base.values())
    weights = load_file(folder / "open_clip_model.safetensors")
    weights["token_embedding.weight"][5, 5] += 1e-3
    save_file(weights, tmp_path / "changed.safetensors")
    changed = prints(config, tmp_path / "changed.safetensors")
    assert {name for name, value in changed.items() if value != base[name]} == {"text"}


def test_licenses(folder: Path) -> None:
    assert c3core.load_space(f"clip:{folder}/tiny.json/random").encoder("text").license == "own"
    assert c3core.load_space(f"clip:local-dir:{folder}").encoder("image").license.startswith("unknown")


@pytest.mark.parametrize(
    "text", ["[1]", "{}", '{"model_cfg": 3}', "{", '{"embed_dim": 4, "vision_cfg": {}, "text_cfg": {"width": "x"}}']
)
def test_a_file_that_describes_no_model_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(C3Error, match="odd.json"):
        c3core.load_space(f"clip:{tmp_path}/odd.json/random").encoder("image")


def test_a_folder_without_weights(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    with pytest.raises(C3Error, match="cannot be loaded"):
        c3core.load_space(f"clip:local-dir:{tmp_path}").encoder("image")


HUB = """
import c3core, warnings
for name in ("hf-hub:org/name", "ViT-B-32/openai"):
    try:
        c3core.load_space(f"clip:{name}").encoder("image")
    except c3core.C3Error as error:
        print(error)
"""


def test_a_hub_that_cannot_be_reached_is_one_clear_error(tmp_path: Path) -> None:
    """In a process that may not use the network."""
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "PATH": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", HUB], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("org/name is not on this machine, and the hub cannot be reached.")
    assert "clip:local-dir:FOLDER" in first
    assert "open_clip_model.safetensors of timm/vit_base_patch32_clip_224.openai" in second
    assert "clip:ViT-B-32-quickgelu//PATH/open_clip_model.safetensors" in second


@pytest.mark.usefixtures("tagged")
def test_openai_weights_get_quick_gelu_and_a_warning_says_so() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = both(c3core.load_space("clip:ViT-B-32-quickgelu/openai"))
    space = c3core.load_space("clip:ViT-B-32/openai")
    with pytest.warns(UserWarning, match="need quick GELU"):
        space.encoder("image")
    assert torch.equal(both(space), right)
    assert space.encoder("image").license == "MIT"
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", "openai")
    with torch.no_grad():
        expected = model.eval().encode_image(preprocess(c3core.media.ImageReader().read(PICTURE))[None])
    torch.testing.assert_close(right[1:], expected / expected.norm(), rtol=0, atol=1e-5)


def test_a_folder_of_pictures_becomes_a_store(folder: Path, pictures: list[Path], tmp_path: Path) -> None:
    """With workers, which must not need open_clip; a bad file stands beside the good."""
    (tmp_path / "broken.jpg").write_bytes(pictures[0].read_bytes()[:500])
    encoder = c3core.load_space(f"clip:local-dir:{folder}").encoder("image")
    sources = [*map(str, pictures), str(tmp_path / "broken.jpg")]
    store = embed(encoder, sources, tmp_path / "store", batch_size=8, workers=1, quiet=True)
    assert len(store) == len(pictures)
    rows = torch.cat([batch.embeddings for batch in store.batches()])
    torch.testing.assert_close(rows, encoder.encode(pictures), rtol=0, atol=1e-5)
