"""Caption photos with CLIP and GPT-2, from sentences that belong to no photo. It needs the hub, and better a GPU."""

from pathlib import Path

import c3core

sentences = c3core.load_items("captions.txt", "text")  # a sentence on each line: some ten thousand
photos = sorted(map(str, Path("photos").iterdir()))  # some hundreds: only their mean is used

space = c3core.load_space("clip:ViT-B-32-quickgelu/openai")
decoder = c3core.load_decoder("gpt2", space=space, model="gpt2", mapping="mlp")
pipeline = c3core.Pipeline(space, c3core.load_bridge("c3"), decoder)
pipeline.fit({"text": sentences, "image": photos}, training={"steps": 5000, "batch_size": 64}, folder="run")
pipeline.save_pretrained("captioner")
for photo, caption in zip(photos, pipeline(photos), strict=True):
    print(f"{photo}: {caption}")
