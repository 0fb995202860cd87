"""Train the captioner that ships: `python -m c3_playground.captioner.training FOLDER`.

It learns from sentences about pictures, videos and sounds. A collapse needs two means of the same kind of things. The
mean of all sentences is the target's, so the mean of a modality is moved by the difference between the mean of the
sentences about its kind and the mean of all sentences.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from c3_playground.world import World
from c3_playground.world.stream import MODALITIES
from c3core import Pipeline, load_bridge, load_decoder, load_space
from c3core.bridges import C3Bridge

SENTENCES = 40_000  # about each modality
UNPAIRED = 2_000  # items of each modality, of which only the mean is used
DECODER: dict[str, Any] = {
    "model": "fresh",
    "layers": 4,
    "heads": 4,
    "width": 160,
    "vocabulary": 800,
    "prefix_length": 4,
    "weights": "float16",
    "generation": {"num_beams": 3, "max_new_tokens": 48},
}
TRAINING: dict[str, Any] = {
    "steps": 5_000,
    "batch_size": 128,
    "learning_rate": 3e-3,
    "warmup_steps": 100,
    "precision": "bfloat16",
    "eval_steps": 1_000,
    "save_steps": 500,
}


def train_captioner(folder: Path) -> None:
    """Train the captioner and save it to a folder."""
    world, space = World(), load_space("playground")
    about = {modality: world.sentences(SENTENCES, modality=modality) for modality in MODALITIES}
    sentences = [sentence for group in zip(*about.values(), strict=True) for sentence in group]
    pipeline = Pipeline(space, load_bridge("c3", noise_std=0.045), load_decoder("gpt2", space=space, **DECODER))
    items = {name: [item.data for item in world.items(name, "train", UNPAIRED)] for name in MODALITIES}
    pipeline.fit({"text": sentences, **items}, training=TRAINING, folder=folder / "run")
    config, state = pipeline.bridge.config(), pipeline.bridge.state()
    mean = space.encode(sentences, "text", batch_size=256).mean(0)
    for modality, own in about.items():
        state[f"{modality}.mean"] -= space.encode(own, "text", batch_size=256).mean(0) - mean
    pipeline.bridge = C3Bridge.restore(config, state)
    pipeline.save_pretrained(folder)


if __name__ == "__main__":
    train_captioner(Path(sys.argv[1]))
