"""Names and folders, what goes wrong with them, fingerprints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

import c3core
from c3core.errors import C3Error, WrongCall


@pytest.fixture
def copy(models: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(models["clip"], tmp_path / "copy"))


@pytest.mark.parametrize("name", ["", "no/such/folder", "./nowhere"])
def test_a_name_that_means_nothing_is_a_wrong_call(name: str) -> None:
    with pytest.raises(WrongCall, match="neither a folder nor the name of a model"):
        c3core.load_space(f"st:{name}")


def test_a_model_of_text_only_is_refused(tmp_path: Path) -> None:
    words = Tokenizer(WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=8)], device="cpu").save(str(tmp_path))
    with pytest.raises(WrongCall, match="takes only text"):
        c3core.load_space(f"st:{tmp_path}")


def _without_list(folder: Path) -> None:
    (folder / "modules.json").unlink()


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def _own_code(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([{**modules[0], "type": "own.Module"}]))


def _truncated(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_without_list, "it lacks modules.json"),
        (_pickled, "pickled weights, which are never read"),
        (_own_code, "code of its own. That is never run"),
        (_truncated, "cannot be loaded"),
    ],
)
def test_a_folder_that_cannot_be_trusted_is_refused(copy: Path, damage: Callable[[Path], None], says: str) -> None:
    damage(copy)
    with pytest.raises(C3Error, match=says) as caught:
        c3core.load_space(f"st:{copy}")
    assert "\n" not in str(caught.value)


def test_other_weights_or_settings_are_another_encoder(models: dict[str, Path], copy: Path) -> None:
    def fingerprint() -> str:
        return c3core.load_space(f"st:{copy}").encoder("text").fingerprint

    assert fingerprint() == c3core.load_space(f"st:{models['clip']}").encoder("text").fingerprint
    settings = json.loads((copy / "config_sentence_transformers.json").read_text())
    (copy / "config_sentence_transformers.json").write_text(json.dumps({**settings, "default_prompt_name": None}))
    without_prompt = fingerprint()
    weights = load_file(copy / "model.safetensors")
    save_file({name: value * 2 for name, value in weights.items()}, copy / "model.safetensors", {"format": "pt"})
    found = {c3core.load_space(f"st:{models['clip']}").encoder("text").fingerprint, without_prompt, fingerprint()}
    assert len(found) == 3
