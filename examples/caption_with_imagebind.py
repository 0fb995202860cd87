"""Caption sounds or videos in ImageBind's space with a decoder that learned from sentences only.

    python caption_with_imagebind.py
    python caption_with_imagebind.py --space imagebind:huge//models/imagebind_huge.pth --model gpt2 --steps 20000 \\
        --sentences captions.txt --unlabelled sounds/ --inputs my/*.wav --save captioner

The first command runs offline in seconds, with a tiny random model and synthetic sounds. It shows how the parts fit
together; its captions mean nothing. The second command uses the real weights (CC-BY-NC-SA 4.0). Both do the same. Only
the mean of the unlabelled sounds is used.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import c3core
from c3core.runtime import exit_cleanly

SENTENCES = [
    f"{sound} {place}"
    for sound in ("a dog barks", "rain falls", "a bell rings", "people talk", "an engine hums")
    for place in ("in a street", "near a river", "behind a wall", "far away")
]
RATE = 16_000  # samples a second of the synthetic sounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="imagebind:tiny/random")
    parser.add_argument("--modality", default="audio", choices=["audio", "video"])
    parser.add_argument("--sentences", nargs="*", default=[], help=".txt of one sentence a line, or table.csv:column")
    parser.add_argument("--unlabelled", nargs="*", default=[], help="files to take the mean of; the more the better")
    parser.add_argument("--inputs", nargs="*", default=[], help="files to caption (default: the first unlabelled ones)")
    parser.add_argument("--model", default="fresh", help="language model: gpt2, a folder, or fresh")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--save", type=Path, help="folder to save the pipeline to, for `c3 run`")
    words = parser.parse_args()

    sentences = c3core.load_items(words.sentences, "text") if words.sentences else SENTENCES
    unlabelled: Any = synthetic(words.modality, 12)
    if words.unlabelled:
        unlabelled = c3core.load_items(words.unlabelled, words.modality)
    inputs: Any = c3core.load_items(words.inputs, words.modality) if words.inputs else unlabelled[:3]

    space = c3core.load_space(words.space)
    bridge = c3core.load_bridge("c3_imagebind")  # collapse, and the noise of the paper for ImageBind: 0.1
    small = {"layers": 2, "width": 64, "vocabulary": 400} if words.model == "fresh" else {}
    decoder = c3core.load_decoder("gpt2", space=space, model=words.model, mapping="linear", prefix_length=1, **small)
    pipeline = c3core.Pipeline(space, bridge, decoder)
    pipeline.fit(
        {"text": sentences, words.modality: unlabelled},
        training={"steps": words.steps, "batch_size": min(64, len(sentences))},
    )

    for source, caption in zip(inputs, pipeline.run(inputs, modality=words.modality), strict=True):
        print(f"{source if isinstance(source, str) else 'synthetic'}: {caption}")
    if words.space.partition("?")[0].endswith("/random"):
        print("The model is random, so these captions mean nothing. Give real weights with --space.")
    if words.save:
        pipeline.save_pretrained(words.save)
        print(f"To caption a file: c3 run {words.save} FILE -m {words.modality}")


def synthetic(modality: str, count: int) -> list[Any]:
    """Return tones of random pitch and noise, or videos of a moving square, each with its rate."""
    rng = np.random.default_rng(0)
    if modality == "audio":
        time = np.arange(3 * RATE) / RATE
        return [
            (
                np.sin(2 * np.pi * rng.uniform(100, 4000) * time) / 2 + rng.normal(0, rng.uniform(0, 0.3), time.size),
                RATE,
            )
            for _ in range(count)
        ]
    videos = np.zeros((count, 30, 48, 64, 3), dtype=np.uint8)
    for video, color, row in zip(videos, rng.integers(50, 256, (count, 3)), rng.integers(0, 32, count), strict=True):
        for step, frame in enumerate(video):
            frame[row : row + 16, step : step + 16] = color
    return [(video, 10.0) for video in videos]


if __name__ == "__main__":
    with exit_cleanly():
        main()
