"""Pictures in and out: squares, arrays, PNG files, contact sheets."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from c3core.contracts import BadItem
from c3core.errors import C3Error
from c3core.media.image import ImageReader
from c3core.media.image_decoder import GAP, SquareCrop, stack_pictures, to_pictures, write_png, write_sheet


def test_square_takes_the_middle() -> None:
    array = np.zeros((64, 128, 3), np.uint8)
    array[:, 32:96] = 200  # the middle square
    assert (SquareCrop(32)(Image.fromarray(array)) == 200).all()
    assert (SquareCrop(32)(Image.fromarray(array.transpose(1, 0, 2))) == 200).all()


def test_square_of_the_right_size_keeps_every_pixel() -> None:
    array = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert torch.equal(SquareCrop(32)(Image.fromarray(array)), torch.from_numpy(array).permute(2, 0, 1))


def test_square_averages_what_it_shrinks() -> None:
    array = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    expected = array.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    found = SquareCrop(32)(Image.fromarray(array)).permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1


def test_pictures_come_back_from_batches() -> None:
    arrays = np.arange(2 * 32 * 32 * 3, dtype=np.int64).reshape(2, 32, 32, 3).astype(np.uint8)
    squares = [SquareCrop(32)(Image.fromarray(array)) for array in arrays]
    batch = stack_pictures(squares, 32)
    assert batch.dtype == torch.uint8
    for array, picture in zip(arrays, to_pictures(batch.float() / 127.5 - 1), strict=True):
        assert picture.dtype == np.uint8
        assert np.array_equal(array, picture)


def test_levels_are_rounded_and_clipped() -> None:
    levels = torch.tensor([-1.5, -1.0, 0.0, 10.4 / 127.5 - 1, 10.6 / 127.5 - 1, 1.0, 2.0])
    (found,) = to_pictures(levels.expand(1, 3, 1, 7))
    assert found[0, :, 0].tolist() == [0, 0, 128, 10, 11, 255, 255]


@pytest.mark.parametrize(
    "squares", [[], ["a.png"], [torch.zeros(3, 16, 16, dtype=torch.uint8)], [torch.zeros(3, 32, 32)]], ids=str
)
def test_other_things_are_refused(squares: list) -> None:
    with pytest.raises(C3Error, match=r"at least one picture|Use the decoder's reader"):
        stack_pictures(squares, 32)


def test_the_reader_can_be_sent_to_a_worker_and_reports_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    reader = pickle.loads(pickle.dumps(ImageReader(SquareCrop(32))))
    assert isinstance(reader(str(tmp_path / "broken.png")), BadItem)
    assert reader(np.zeros((40, 50, 3), np.uint8)).shape == (3, 32, 32)


def test_png_keeps_every_pixel_and_no_temporary(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    write_png(picture, tmp_path / "new" / "a.png")
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


def test_a_sheet_shows_each_picture_at_its_place(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    rows = [[np.broadcast_to(colour, (8, 6, 3)) for colour in row] for row in colours]
    write_sheet([rows[0], rows[1][:2]], tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    high, wide = (sheet.shape[0] - GAP) // 2, (sheet.shape[1] - GAP) // 3
    for y, row in enumerate(colours):
        for x, colour in enumerate(row):
            expected = colour if (y, x) != (1, 2) else [255, 255, 255]
            assert (sheet[GAP + y * high : (y + 1) * high, GAP + x * wide : (x + 1) * wide] == expected).all()
    with pytest.raises(C3Error, match="uint8"):
        write_sheet([[rows[0][0] / 255]], tmp_path / "b.png")
