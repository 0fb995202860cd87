"""Draw photos.jpg, the first picture of the README: `python docs/images/photos.py`."""

from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
from PIL import Image

import c3core

photos = c3core.load_table("photos:samples").columns["image"]
captions = c3core.load_pipeline("photos/captioner")(photos)
figure, axes = plt.subplots(2, 4, figsize=(12, 7.4), layout="constrained")
for axis, photo, caption in zip(axes.flat, photos, captions, strict=True):
    axis.imshow(Image.open(photo))
    axis.axis("off")
    axis.set_title(fill(caption, 30), fontsize=13, y=-0.05, va="top")
figure.savefig(Path(__file__).with_suffix(".jpg"), dpi=100, pil_kwargs={"quality": 85})
