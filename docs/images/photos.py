"""Draw photos.jpg and photos_narrow.jpg, the first picture of the README: `python docs/images/photos.py`."""

from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
from PIL import Image

import c3core

photos = c3core.load_table("photos:samples").columns["image"]
captions = c3core.load_pipeline("photos/captioner")(photos)
for name, columns in (("photos.jpg", 4), ("photos_narrow.jpg", 2)):  # a phone takes the narrow one
    rows = len(photos) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 3.7 * rows), layout="constrained")
    for axis, photo, caption in zip(axes.flat, photos, captions, strict=True):
        axis.imshow(Image.open(photo))
        axis.axis("off")
        axis.set_title(fill(caption, 30), fontsize=13, y=-0.05, va="top")
    figure.savefig(Path(__file__).with_name(name), dpi=100, pil_kwargs={"quality": 85})
