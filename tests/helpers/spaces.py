"""Small real spaces and pipelines: the playground's own, and its towers with random heads in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from c3_playground.world import World
from c3_playground.world.media.export import write_gif, write_wav
from c3core import Pipeline, Space, load_bridge, load_decoder, load_space
from c3core.registry.factory import load_tower
from c3core.spaces.head import Head
from c3core.spaces.serialization import HeadSpec, save_connected

DIM = 16
DECODER = {
    "model": "fresh",
    "layers": 1,
    "heads": 2,
    "width": 32,
    "vocabulary": 300,
    "mapping": "linear",
    "prefix_length": 2,
}
TRAINING: dict[str, Any] = {
    "steps": 6,
    "batch_size": 16,
    "warmup_steps": 2,
    "eval_steps": 3,
    "save_steps": 2,
    "logging_steps": 2,
}


def write_space(folder: Path) -> Path:
    """The folder of a space of text and image."""
    torch.manual_seed(0)
    head = HeadSpec()
    towers = {}
    for modality in ("text", "image"):
        tower = load_tower(f"playground-{modality}")
        towers[modality] = (f"playground-{modality}", tower, head, Head(tower.width, DIM))
    folder.mkdir(parents=True, exist_ok=True)
    save_connected(folder, "small", DIM, towers)
    return folder


def small_pipeline(space: Space, bridge: str = "c3") -> Pipeline:
    torch.manual_seed(0)
    return Pipeline(space, load_bridge(bridge), load_decoder("gpt2", space=space, **DECODER))


def fitted(folder: Path, bridge: str = "c3") -> Pipeline:
    """A pipeline on the space in `folder`, trained for a few steps on sentences, with the pictures' mean."""
    pipeline = small_pipeline(load_space(str(folder)), bridge)
    items = {"text": World().sentences(60, modality="image"), "image": pictures(20)}
    return pipeline.fit(items, training=TRAINING, quiet=True)


def pictures(n: int, split: str = "train") -> list[Any]:
    return [item.data for item in World().items("image", split, n)]


def write_mixed_files(folder: Path) -> Path:
    """A folder with a sound, a picture and a clip."""
    picture, sound, clip = (World().items(modality, "test", 1)[0].data for modality in ("image", "audio", "video"))
    write_wav(sound, folder / "a.wav")
    Image.fromarray(picture).save(folder / "b.png")
    write_gif(clip, folder / "c.gif")
    return folder
