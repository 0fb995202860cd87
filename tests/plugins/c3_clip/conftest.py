"""A tiny model of open_clip in a folder, as open_clip itself writes one, and odd pictures in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

CONFIG: dict[str, Any] = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 48, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `local-dir:` of open_clip with weights, the same as `tiny.pt` and `tiny.bin`, and `tiny.json` alone."""
    folder = tmp_path_factory.mktemp("clip")
    preprocess = {
        "mean": [0.4, 0.5, 0.45],
        "std": [0.3, 0.25, 0.2],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": preprocess}))
    (folder / "tiny.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": preprocess}))
    torch.manual_seed(7)
    model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    torch.save(weights, folder / "tiny.pt")
    torch.save({"state_dict": {f"module.{name}": value for name, value in weights.items()}}, folder / "tiny.bin")
    return folder


@pytest.fixture(scope="session")
def plain(folder: Path) -> tuple[Any, Any, Any]:
    """open_clip's own model, preprocessing and tokenizer of the folder."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{folder}")


def noise(width: int, height: int, channels: int = 3, seed: int = 0) -> np.ndarray[Any, Any]:
    """A picture with structure at every scale, so that a wrong resize or crop shows."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    fine = rng.integers(-60, 60, (height, width, 3))
    pixels = np.clip(np.asarray(coarse).astype(int) + fine, 0, 255).astype(np.uint8)
    return pixels if channels == 3 else np.dstack([pixels, rng.integers(0, 256, (height, width, 1), dtype=np.uint8)])


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files: plain, odd sizes, each EXIF orientation, alpha, palette, grey, CMYK."""
    folder = tmp_path_factory.mktemp("pictures")
    made: list[Path] = []

    def save(name: str, picture: Image.Image, **options: Any) -> None:
        made.append(folder / name)
        picture.save(made[-1], **options)

    for at, (width, height) in enumerate(
        [(500, 375), (333, 500), (48, 48), (49, 48), (31, 7), (3, 211), (1, 1), (640, 97)]
    ):
        save(f"{width}x{height}.jpg", Image.fromarray(noise(width, height, seed=at)), quality=90)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"turned{orientation}.jpg", Image.fromarray(noise(91, 64, seed=20 + orientation)), exif=exif)
    save("alpha.png", Image.fromarray(noise(77, 130, 4), "RGBA"))
    save("palette.png", Image.fromarray(noise(90, 60)).quantize(16))
    save("palette.gif", Image.fromarray(noise(90, 60)).quantize(200))
    save("transparent.png", Image.fromarray(noise(90, 60)).quantize(16), transparency=3)
    save("bits.png", Image.fromarray(noise(90, 60)).convert("1"))
    save("grey-alpha.png", Image.fromarray(noise(90, 60, 4), "RGBA").convert("LA"))
    save("grey.png", Image.fromarray(noise(90, 60)).convert("L"))
    save("cmyk.jpg", Image.fromarray(noise(90, 60)).convert("CMYK"))
    return made


@pytest.fixture
def tagged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes ViT-B-32 the tiny model, with the tag `openai` for the weights in the folder."""
    config = json.loads((folder / "tiny.json").read_text())["model_cfg"]
    for name, more in (("ViT-B-32", {}), ("ViT-B-32-quickgelu", {"quick_gelu": True})):
        monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, {**config, **more})
        tags = open_clip.pretrained._PRETRAINED[name]
        monkeypatch.setitem(tags, "openai", {**tags["openai"], "file": str(folder / "open_clip_model.safetensors")})
