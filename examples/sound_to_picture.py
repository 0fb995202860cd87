"""Give a painter sounds and videos: it was trained with pictures alone, and takes whatever its space knows.

A sound of the playground has no shape and no color, so its picture only tells it from other sounds. A video has both.
"""

import torch

import c3core
from c3_playground.world import World

painter = c3core.load_pipeline("playground/painter-stylegan")
for modality in ("audio", "video"):
    items = [item.data for item in World().items(modality, "test", 20)]
    pictures = painter(items, modality=modality)
    pictures[0].save(f"{modality}.png")

    # How many of the 20 pictures are nearer to their own sound or video than to any other one? By chance, one is.
    given = painter.condition(painter.space.encode(items, modality), modality)
    drawn = painter.condition(painter.space.encode(pictures, "image"), "image")
    likeness = torch.nn.functional.normalize(drawn, dim=1) @ torch.nn.functional.normalize(given, dim=1).T
    right = (likeness.argmax(dim=1) == torch.arange(20)).sum()
    print(f"{modality}: {right} of 20")

# It prints:
# audio: 15 of 20
# video: 16 of 20
