"""What the browser shows of sources."""

from __future__ import annotations

import base64
import io
import re
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from c3_app.preview import drawings, sample_file, shown_picture
from c3_playground.world import World


def test_a_small_picture_is_shown_in_larger_pixels_and_a_large_one_smaller() -> None:
    array = np.random.default_rng(0).integers(0, 256, (32, 20, 3), dtype=np.uint8)
    shown = shown_picture(array)
    assert shown.size == (160, 256)
    np.testing.assert_array_equal(np.asarray(shown)[4::8, 4::8], array)
    assert max(shown_picture(Image.new("RGB", (3000, 200))).size) == 1024


def test_drawings_keep_their_pixels() -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    html = drawings([picture, Image.new("RGB", (512, 512))], ["seed 0", "seed 1"])
    first, second = re.findall(r'<img class="([^"]*)" alt="([^"]*)" src="data:image/png;base64,([^"]+)">', html)
    assert (first[:2], second[:2]) == (("c3-small", "seed 0"), ("", "seed 1"))
    read = Image.open(io.BytesIO(base64.b64decode(first[2])))
    assert read.tobytes() == picture.tobytes()


def test_arrays_become_files(tmp_path: Path) -> None:
    picture, clip, sound = (World().items(modality, "test", 1)[0].data for modality in ("image", "video", "audio"))
    assert Image.open(sample_file(picture, "image", str(tmp_path))).size == (256, 256)
    moving = Image.open(sample_file(clip, "video", str(tmp_path)))
    assert (moving.format, moving.n_frames) == ("GIF", len(clip))  # type: ignore[attr-defined]
    for source, rate in ((sound, 16_000), ((np.stack([sound, sound]), 8_000), 8_000)):
        with wave.open(sample_file(source, "audio", str(tmp_path))) as file:
            assert (file.getframerate(), file.getnframes()) == (rate, len(sound))
            written = np.frombuffer(file.readframes(len(sound)), "<i2") / 32767
        np.testing.assert_allclose(written, sound.clip(-1, 1), atol=1e-4)
    assert sample_file("photo.jpg", "image", str(tmp_path)) == "photo.jpg"
