"""Show a source in the browser: as a picture, or as a file that it plays."""

from __future__ import annotations

import wave
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from PIL import Image

from c3core.media import ImageReader

LARGEST = 1024  # pixels of a side
SMALL = 128  # pixels of a side, below which a picture is shown in larger pixels
RATE = 16_000  # Hz of a wave that comes without its rate, as the readers take it
FRAME = 250  # milliseconds that a frame of an array is shown


def shown_picture(picture: Any) -> Image.Image:
    """A picture as the reader sees it, at a size to look at: a small one in larger pixels."""
    image: Image.Image = ImageReader().read(picture)
    side = max(image.size)
    if side < SMALL:
        factor = -(-2 * SMALL // side)
        return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    image.thumbnail((LARGEST, LARGEST))
    return image


def drawings(pictures: Sequence[Image.Image], captions: Sequence[str]) -> str:
    """Drawings as HTML. A small one shows its pixels."""
    figures = []
    for picture, caption in zip(pictures, captions, strict=True):
        file = BytesIO()
        picture.save(file, "PNG")
        data, name = b64encode(file.getvalue()).decode(), "c3-small" if max(picture.size) < SMALL else ""
        image = f'<img class="{name}" alt="{caption}" src="data:image/png;base64,{data}">'
        figures.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
    return f'<div class="c3-drawings">{"".join(figures)}</div>'


def sample_file(source: Any, modality: str, folder: str) -> str:
    """The file of a sample: its own, or one that is written into `folder` of an array."""
    if isinstance(source, str | Path):
        return str(source)
    suffix = {"image": ".png", "video": ".gif", "audio": ".wav"}[modality]
    with NamedTemporaryFile(dir=folder, prefix=f"{modality}-", suffix=suffix, delete=False) as file:
        pass
    if modality == "image":
        shown_picture(source).save(file.name)
    elif modality == "video":
        first, *others = map(shown_picture, source)
        first.save(file.name, save_all=True, append_images=others, duration=FRAME, loop=0)
    else:
        _write_wave(source, file.name)
    return file.name


def _write_wave(source: Any, path: str) -> None:
    samples, rate = source if isinstance(source, tuple) else (source, RATE)
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, int(rate), 0, "NONE", "not compressed"))
        mono = np.asarray(samples, dtype=np.float32)
        mono = mono.mean(0) if mono.ndim == 2 else mono
        file.writeframes((mono.clip(-1, 1) * 32767).astype("<i2").tobytes())
