"""Cells of columns of `datasets`, decoded or not, as sources."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from c3_playground.world import World
from c3_playground.world.media.export import write_gif, write_wav
from c3core import BadItem
from c3core.data import guess_modality
from c3core.media import AudioReader, ImageReader, VideoReader

SEVERAL = ("image", "audio", "video")
KNOWN = ("text", *SEVERAL)
READERS = {"image": ImageReader, "audio": AudioReader, "video": VideoReader}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A picture, a sound and a clip."""
    folder = tmp_path_factory.mktemp("files")
    picture, sound, clip = (World().items(modality, "test", 1)[0].data for modality in SEVERAL)
    Image.fromarray(picture).save(folder / "a.png")
    write_wav(sound, folder / "a.wav")
    write_gif(clip, folder / "a.gif")
    return {"image": folder / "a.png", "audio": folder / "a.wav", "video": folder / "a.gif"}


@pytest.mark.parametrize("modality", SEVERAL)
def test_a_file_in_a_cell_is_read_as_that_file(modality: str, files: dict[str, Path]) -> None:
    reader, path = READERS[modality](), files[modality]
    expected = np.asarray(reader(path))
    inside = {"bytes": path.read_bytes(), "path": path.name}
    for cell in (inside, {"bytes": None, "path": str(path)}, inside | {"path": None}):
        assert np.array_equal(np.asarray(reader(cell)), expected)
    assert guess_modality(inside, KNOWN) == modality
    assert guess_modality(inside | {"path": None}, KNOWN) is None


def test_a_wave_in_a_cell_is_read_at_its_rate() -> None:
    wave = np.sin(np.arange(8000) / 20).astype(np.float32)
    cell = {"path": None, "array": wave.tolist(), "sampling_rate": 8000}
    assert np.allclose(AudioReader(8000)(cell), wave, atol=1e-7)
    assert guess_modality(cell, KNOWN) == "audio"


@pytest.mark.parametrize(
    "cell", [{"bytes": b"no picture", "path": "a.png"}, {"bytes": None, "path": "gone.png"}, {"a": 1}, None]
)
def test_a_cell_without_a_picture_is_a_bad_item(cell: Any) -> None:
    assert isinstance(ImageReader()(cell), BadItem)


def test_what_datasets_decodes_is_read_too(files: dict[str, Path]) -> None:
    datasets = pytest.importorskip("datasets")
    try:
        from torchcodec.decoders import AudioDecoder, VideoDecoder
    except Exception as error:  # it is not installed, or there is no FFmpeg
        pytest.skip(f"torchcodec cannot be used: {error}")
    for modality, kind in (("audio", datasets.Audio()), ("video", datasets.Video())):
        table = datasets.Dataset.from_dict({modality: [str(files[modality])]}).cast_column(modality, kind)
        cell = table[modality][0]
        assert guess_modality(cell, KNOWN) == modality
        assert np.array_equal(READERS[modality]()(cell), READERS[modality]()(files[modality]))
    wave = AudioReader()(AudioDecoder(str(files["audio"])))  # without a note of its file
    assert np.allclose(wave, AudioReader()(files["audio"]), atol=1e-4)
    frames = VideoReader(4)(VideoDecoder(str(files["video"])))
    assert np.array_equal(frames, VideoReader(4)(files["video"]))


def test_a_picture_that_is_decoded_is_one_already(files: dict[str, Path]) -> None:
    picture = Image.open(io.BytesIO(files["image"].read_bytes()))
    assert guess_modality(picture, KNOWN) == "image"
    assert ImageReader()(picture).tobytes() == ImageReader()(files["image"]).tobytes()
