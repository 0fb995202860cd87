"""Use one decoder under four bridges. Nothing is trained: only the means of some sentences and pictures are taken."""

import c3core
from c3_playground.world import World

painter = c3core.load_pipeline("playground/painter-stylegan")
items = World().items("image", "train", 300)
embeddings = {
    "text": painter.space.encode([item.sentences[0] for item in items], "text"),
    "image": painter.space.encode([item.data for item in items], "image"),
}
table = c3core.load_table("playground:image/test/50/1")
for name in ("c1", "c2_1", "c2_2", "c3"):
    bridge = c3core.load_bridge(name, rescale="none")  # as the painter was trained
    bridge.fit(embeddings, target="image")
    scores = c3core.evaluate(painter.with_bridge(bridge), table).scores
    print(f"{name}: {scores['r1']:.0f} % of the pictures are nearest to their own sentence")
# c2_1 and c3 collapse the gap between sentences and pictures; c1 and c2_2 do not. Noise (c2_2, c3) is of the training.

# It prints:
# c1: 66 % of the pictures are nearest to their own sentence
# c2_1: 76 % of the pictures are nearest to their own sentence
# c2_2: 66 % of the pictures are nearest to their own sentence
# c3: 76 % of the pictures are nearest to their own sentence
