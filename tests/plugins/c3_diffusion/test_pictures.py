"""Reading squares and writing PNG."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from c3_diffusion.pictures import Square, to_arrays, write_png
from c3core.errors import C3Error
from c3core.readers.image import ImageReader


def test_a_square_of_the_right_size_stays_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    found = Square(8)(Image.fromarray(pixels))
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.permute(1, 2, 0).numpy(), pixels)


@pytest.mark.parametrize("turned", [False, True])
def test_of_an_oblong_the_middle_is_kept(turned: bool) -> None:
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = (0, 255, 0)
    picture = Image.fromarray(pixels.swapaxes(0, 1) if turned else pixels)
    found = Square(16)(picture)
    assert found.shape == (3, 16, 16)
    assert found[1].min() == 255
    assert found[0].max() == found[2].max() == 0


def test_the_reader_can_go_to_a_worker() -> None:
    reader = pickle.loads(pickle.dumps(ImageReader(Square(4))))
    assert reader.read(np.full((6, 9, 3), 7, np.uint8)).tolist() == torch.full((3, 4, 4), 7).tolist()


def test_levels_are_rounded_and_clipped() -> None:
    levels = torch.tensor([-1.5, -1.0, 0.0, 10.4 / 127.5 - 1, 10.6 / 127.5 - 1, 1.0, 2.0])
    (found,) = to_arrays(levels.expand(1, 3, 1, 7))
    assert found.dtype == np.uint8
    assert found[0, :, 0].tolist() == [0, 0, 128, 10, 11, 255, 255]


def test_a_picture_is_written_whole(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    write_png(pixels, tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), pixels)
    with pytest.raises(C3Error, match="uint8"):
        write_png(pixels / 255, tmp_path / "b.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(C3Error, match="cannot write"):
        write_png(pixels, tmp_path / "file" / "a.png")
