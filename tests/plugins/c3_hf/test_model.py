"""Names and folders, what goes wrong with them, fingerprints."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor, BertConfig, BertModel

import c3core
from c3core import C3Error
from c3core.embedding.embedder import embed


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "is no folder, and no name of a model"),
        ("no/such/folder", "is no folder, and no name of a model"),
        ("./nowhere", "is no folder, and no name of a model"),
    ],
)
def test_what_no_name_means(name: str, what: str) -> None:
    with pytest.raises(C3Error, match=what):
        c3core.load_space(f"hf:{name}")


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(C3Error, match="no folder of a model of transformers: it has no config.json"):
        c3core.load_space(f"hf:{tmp_path}")
    for text in ("{", "{}", '{"model_type": "never heard of"}', "[]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(C3Error, match="cannot be read as a model of transformers") as caught:
            c3core.load_space(f"hf:{tmp_path}")
        assert "\n" not in str(caught.value)


def test_a_model_that_is_not_contrastive(tmp_path: Path) -> None:
    BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=50)
    ).save_pretrained(tmp_path)
    with pytest.raises(C3Error, match="is a bert, which is no contrastive model"):
        c3core.load_space(f"hf:{tmp_path}")


def test_weights_that_are_not_whole(models: dict[str, Path], tmp_path: Path) -> None:
    """transformers would fill what is missing with random numbers."""
    folder = copy_of(models["clip"], tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if "visual_projection" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(C3Error, match="lacks 1 of the weights of a clip, such as visual_projection.weight"):
        c3core.load_space(f"hf:{folder}").encoder("text")
    save_file(
        {**weights, "visual_projection.weight": torch.zeros(3, 3)}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(C3Error, match=str(folder)):
        c3core.load_space(f"hf:{folder}").encoder("text")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(C3Error, match="cannot be loaded"):
        c3core.load_space(f"hf:{folder}").encoder("text")
    (folder / "model.safetensors").unlink()
    with pytest.raises(C3Error, match="cannot be loaded"):
        c3core.load_space(f"hf:{folder}").encoder("text")


def test_a_folder_without_its_processor(models: dict[str, Path], tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(models["clip"] / name, tmp_path)
    with pytest.raises(C3Error, match=str(tmp_path)) as caught:
        c3core.load_space(f"hf:{tmp_path}").encoder("image")
    assert "\n" not in str(caught.value)


HUB = """
import c3core
try:
    c3core.load_space("hf:org/name")
except c3core.C3Error as error:
    print(error)
"""


def test_a_hub_that_cannot_be_reached_is_one_clear_error(tmp_path: Path) -> None:
    """In a process of its own that may not use the network."""
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "PATH": "",
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", HUB], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("org/name cannot be read as a model of transformers: ")
    assert done.stderr == ""


def test_what_a_space_says(models: dict[str, Path]) -> None:
    space = c3core.load_space(f"hf:{models['clip']}")
    assert (space.spec, space.dim, space.modalities) == (f"hf:{models['clip']}", 24, ("text", "image"))
    assert space.encoder("text").loaded is space.encoder("image").loaded
    assert c3core.load_space(f"hf:{models['siglip']}").dim == 32
    assert c3core.load_space(f"hf:{models['clap']}").modalities == ("text", "audio")
    assert space.encoder("text").license.startswith("unknown")
    with pytest.raises(C3Error, match="no modality 'audio'"):
        space.encoder("audio")


def test_fingerprints_are_of_weights_and_preparing_and_not_of_the_place(
    models: dict[str, Path], tmp_path: Path
) -> None:
    def prints(folder: Path) -> dict[str, str]:
        space = c3core.load_space(f"hf:{folder}")
        return {modality: space.encoder(modality).fingerprint for modality in space.modalities}

    base = prints(models["siglip"])
    assert len(set(base.values())) == 2
    folder = copy_of(models["siglip"], tmp_path / "moved")
    assert prints(folder) == base
    used = AutoProcessor.from_pretrained(folder)
    used(text=["a", "a red circle"], padding=True, truncation=True)  # which a fast tokenizer saves along
    used.save_pretrained(folder)
    assert prints(folder) == base
    for file in folder.glob("*processor_config.json"):
        file.write_text(file.read_text().replace("0.5", "0.25"))
    assert {name for name, value in prints(folder).items() if value != base[name]} == {"image"}
    weights = load_file(folder / "model.safetensors")
    first = next(iter(weights))
    save_file({**weights, first: weights[first] + 1e-3}, folder / "model.safetensors", {"format": "pt"})
    assert not set(prints(folder).values()) & set(base.values())


def test_a_stream_of_pictures_becomes_a_store_with_workers(models: dict[str, Path], tmp_path: Path) -> None:
    from PIL import Image

    for at in range(5):
        pixels = np.random.default_rng(at).integers(0, 256, (40 + at, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{at}.png")
    encoder = c3core.load_space(f"hf:{models['siglip']}").encoder("image")
    sources = [*(str(tmp_path / f"{at}.png") for at in range(5)), str(tmp_path / "nowhere.png")]
    store = embed(encoder, sources, tmp_path / "store", batch_size=2, workers=1, quiet=True)
    rows = torch.cat([batch.embeddings for batch in store.batches()])
    torch.testing.assert_close(rows, encoder.encode(sources[:5]), rtol=0, atol=1e-5)
