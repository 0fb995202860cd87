"""Add a modality to a pipeline after its training: only the mean of some of its items is needed."""

import c3core
from c3_playground.world import World

painter = c3core.load_pipeline("playground/painter-stylegan")
items = World().items("image", "train", 300)
embeddings = {
    "text": painter.space.encode([item.sentences[0] for item in items], "text"),
    "image": painter.space.encode([item.data for item in items], "image"),
}
bridge = c3core.load_bridge("c3", noise_std=0.035, rescale="none")
bridge.fit(embeddings, target="image")
pipeline = painter.with_bridge(bridge)
print(pipeline)

pipeline.extend({"audio": [item.data for item in World().items("audio", "train", 300)]})
print(pipeline)
sound = World().items("audio", "test", 1)[0]
pipeline(sound.data).save("sound.png")
print("sound.png:", sound.sentences[0])

# It prints:
# Pipeline(playground → c3(noise_std=0.035) → stylegan, takes text, image)
# Pipeline(playground → c3(noise_std=0.035) → stylegan, takes text, image, audio)
# sound.png: we hear four falling low buzzing sounds, then three loud high-pitched buzzing sounds
