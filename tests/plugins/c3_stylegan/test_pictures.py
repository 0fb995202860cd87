"""Pictures in and out."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from c3_stylegan.decoder import StyleGANDecoder
from c3_stylegan.pictures import Square, stack, to_pictures, write_png
from c3core.contracts import BadItem
from c3core.errors import C3Error


def test_square_takes_the_middle() -> None:
    array = np.zeros((64, 128, 3), np.uint8)
    array[:, 32:96] = 200  # the middle square
    assert (Square(32)(Image.fromarray(array)) == 200).all()
    assert (Square(32)(Image.fromarray(array.transpose(1, 0, 2))) == 200).all()


def test_square_of_the_right_size_keeps_every_pixel() -> None:
    array = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert torch.equal(Square(32)(Image.fromarray(array)), torch.from_numpy(array).permute(2, 0, 1))


def test_square_averages_what_it_shrinks() -> None:
    array = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = array.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    found = Square(32)(Image.fromarray(array)).permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1


def test_pictures_come_back_from_batches() -> None:
    arrays = np.arange(2 * 32 * 32 * 3, dtype=np.int64).reshape(2, 32, 32, 3).astype(np.uint8)
    squares = [Square(32)(Image.fromarray(array)) for array in arrays]
    batch = stack(squares, 32)
    assert batch.dtype == torch.float32
    assert (float(batch.min()), float(batch.max())) == (-1.0, 1.0)
    for array, picture in zip(arrays, to_pictures(batch), strict=True):
        assert picture.dtype == np.uint8
        assert np.array_equal(array, picture)


def test_levels_outside_the_range_are_cut() -> None:
    levels = to_pictures(torch.tensor([-9.0, 9.0]).view(2, 1, 1, 1).expand(2, 3, 2, 2))
    assert [int(picture.max()) for picture in levels] == [0, 255]


@pytest.mark.parametrize("squares", [[], ["a.png"], [torch.zeros(3, 16, 16, dtype=torch.uint8)], [torch.zeros(3, 32, 32)]], ids=str)
def test_other_things_are_refused(squares: list) -> None:
    with pytest.raises(C3Error, match=r"at least one picture|Use the decoder's reader"):
        stack(squares, 32)


def test_the_reader_can_be_sent_to_a_worker_and_reports_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    reader = pickle.loads(pickle.dumps(StyleGANDecoder(8, channels=256, max_channels=8, device="cpu").reader()))
    assert isinstance(reader(str(tmp_path / "broken.png")), BadItem)
    assert reader(np.zeros((40, 50, 3), np.uint8)).shape == (3, 32, 32)


def test_png_keeps_every_pixel_and_no_temporary(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    StyleGANDecoder(8, channels=256, max_channels=8, device="cpu").write(picture, tmp_path / "new" / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), picture)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    picture = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(C3Error, match="cannot write"):
        write_png(picture, tmp_path / "file" / "a.png")
    with pytest.raises(C3Error, match=r"written as \.png"):
        write_png(picture, tmp_path / "a.jpg")
    assert (tmp_path / "file").read_text() == "in the way"
