"""Caption pictures, videos and sounds with one captioner, which learned from sentences alone."""

import c3core
from c3_playground.world import World

captioner = c3core.load_pipeline("playground/captioner")
print(captioner)
for modality in ("image", "video", "audio"):
    for item in World().items(modality, "test", 2):
        print(f"{modality}: {captioner(item.data)} | true: {item.sentences[0]}")
