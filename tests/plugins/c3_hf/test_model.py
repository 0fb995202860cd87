"""Names and folders, what goes wrong with them, fingerprints."""

from __future__ import annotations

import json
import os
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
from c3core.embedding import embed
from c3core.errors import C3Error, CorruptFile, WrongCall


def copy_of(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


@pytest.mark.parametrize("name", ["", "no/such/folder", "./nowhere"])
def test_a_name_that_means_nothing_is_a_wrong_call(name: str) -> None:
    with pytest.raises(WrongCall, match="neither a folder nor the name of a model"):
        c3core.load_space(f"hf:{name}")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongCall, match="it lacks config.json"):
        c3core.load_space(f"hf:{tmp_path}")
    for text in ("{", "{}", '{"model_type": "never heard of"}', "[]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(C3Error, match="cannot be read as a model of transformers") as caught:
            c3core.load_space(f"hf:{tmp_path}")
        assert "\n" not in str(caught.value)


def test_a_model_that_is_not_contrastive_is_refused(tmp_path: Path) -> None:
    BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=50)
    ).save_pretrained(tmp_path)
    with pytest.raises(WrongCall, match="is a bert, which is not contrastive"):
        c3core.load_space(f"hf:{tmp_path}")


def test_a_tokenizer_without_padding_is_named_and_pictures_still_work(models: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(models["clip"], tmp_path / "clip")
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / file).exists():
            values = json.loads((folder / file).read_text())
            (folder / file).write_text(json.dumps({**values, "pad_token": None}))
    space = c3core.load_space(f"hf:{folder}")
    with pytest.raises(C3Error, match="has no padding token") as caught:
        space.encode(["a dog", "two dogs run"], "text")
    assert not isinstance(caught.value, c3core.BadItems)
    assert space.encode([np.zeros((40, 40, 3), np.uint8)], "image").shape == (1, space.dim)


def test_weights_that_are_not_whole(models: dict[str, Path], tmp_path: Path) -> None:
    """transformers would fill what is missing with random numbers."""
    folder = copy_of(models["clip"], tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if "visual_projection" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(CorruptFile, match="lacks 1 of the weights of a clip, such as visual_projection.weight"):
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
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", HUB], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("org/name is not on this machine, and the hub cannot be reached.")
    assert line.endswith("here write hf:FOLDER.")
    assert done.stderr == ""


def test_a_space_describes_its_model(models: dict[str, Path]) -> None:
    space = c3core.load_space(f"hf:{models['clip']}")
    assert (space.spec, space.dim, space.modalities) == (f"hf:{models['clip']}", 24, ("text", "image"))
    assert space.encoder("text").loaded is space.encoder("image").loaded
    assert c3core.load_space(f"hf:{models['siglip']}").dim == 32
    assert c3core.load_space(f"hf:{models['clap']}").modalities == ("text", "audio")
    with pytest.raises(C3Error, match="no modality 'audio'"):
        space.encoder("audio")


def test_the_license_is_that_of_the_models_card(models: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(models["clip"], tmp_path / "clip")
    assert c3core.load_space(f"hf:{folder}").encoder("text").license.startswith("unknown")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    assert c3core.load_space(f"hf:{folder}").encoder("text").license == "mit"


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
