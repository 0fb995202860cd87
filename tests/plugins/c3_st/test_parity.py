"""The same numbers as sentence-transformers' own `encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from torch import Tensor

import c3core

SENTENCES = ["a photo of dogs", "Two RED circles in the rain!", "x"]


def reference(folder: Path, inputs: list[Any]) -> Tensor:
    return torch.tensor(SentenceTransformer(str(folder), device="cpu").encode(inputs, normalize_embeddings=True))


@pytest.mark.parametrize("model", ["clip", "clap"])
def test_texts_are_embedded_as_by_encode(models: dict[str, Path], model: str) -> None:
    found = c3core.load_space(f"st:{models[model]}").encode(SENTENCES, "text")
    assert torch.allclose(found, reference(models[model], SENTENCES), atol=1e-5)


def test_the_default_prompt_counts(models: dict[str, Path]) -> None:
    found = c3core.load_space(f"st:{models['clip']}").encode(["dogs"], "text")
    model = SentenceTransformer(str(models["clip"]), device="cpu")
    plain = torch.tensor(model.encode(["dogs"], prompt="", normalize_embeddings=True))
    assert torch.allclose(found, reference(models["clip"], ["dogs"]), atol=1e-5)
    assert float((found - plain).abs().max()) > 1e-3


def test_a_text_that_names_a_file_is_a_text(models: dict[str, Path], tmp_path: Path) -> None:
    Image.new("RGB", (30, 30), "red").save(tmp_path / "a.png")
    space = c3core.load_space(f"st:{models['clip']}")
    text, picture = space.encode([str(tmp_path / "a.png")], "text"), space.encode([tmp_path / "a.png"], "image")
    assert float((text - picture).abs().max()) > 1e-2
    assert torch.equal(text, space.encode([str(tmp_path / "a.png")], "text"))


def test_pictures_are_embedded_as_by_encode(models: dict[str, Path]) -> None:
    rng = np.random.default_rng(0)
    sizes = ((40, 50), (31, 77), (30, 30))
    pictures = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    found = c3core.load_space(f"st:{models['clip']}").encode(pictures, "image")
    assert torch.allclose(found, reference(models["clip"], pictures), atol=1e-5)


def test_sounds_are_embedded_as_by_encode(models: dict[str, Path]) -> None:
    rng = np.random.default_rng(0)
    waves = [rng.uniform(-0.5, 0.5, length).astype(np.float32) for length in (4000, 6000, 8000)]
    found = c3core.load_space(f"st:{models['clap']}").encode([(wave, 8000) for wave in waves], "audio")
    expected = reference(models["clap"], [{"array": wave, "sampling_rate": 8000} for wave in waves])
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_long_sound_has_one_embedding(models: dict[str, Path]) -> None:
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 30_000).astype(np.float32)
    space = c3core.load_space(f"st:{models['clap']}")
    assert torch.equal(space.encode([(wave, 8000)], "audio"), space.encode([(wave, 8000)], "audio"))
