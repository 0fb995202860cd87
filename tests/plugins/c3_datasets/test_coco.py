"""Captions as COCO's authors give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core import CorruptFile, WrongCall, load_table
from tests.helpers.miniatures import write_coco, write_karpathy


def test_captions_go_with_their_picture_in_the_order_of_pictures(tmp_path: Path) -> None:
    path = write_coco(tmp_path)
    with pytest.warns(UserWarning, match=r"captions_val2017.json: 1 image item\(s\) have no caption and are left out"):
        table = load_table(f"coco:{path}?images=val2017", folder=tmp_path)
    first, second = (str(tmp_path / "val2017" / name) for name in ("000000391895.png", "ñandú.png"))
    assert table.columns == {"image": [first, first, second], "text": ["A man.", "A bike.", "Un ñandú."]}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_a_folder_of_pictures_there_are_only_captions(tmp_path: Path) -> None:
    assert load_table(f"coco:{write_coco(tmp_path)}").columns == {"text": ["A man.", "A bike.", "Un ñandú."]}


def test_other_formats(tmp_path: Path) -> None:
    boxes = write_coco(tmp_path / "boxes", annotations=[{"image_id": 7, "bbox": [0, 0, 1, 1]}])
    with pytest.raises(CorruptFile, match="no file of COCO's captions .*annotations.0.caption: Field required"):
        load_table(f"coco:{boxes}")
    with pytest.raises(CorruptFile, match=r"\(it holds images, dataset\)"):
        load_table(f"coco:{write_karpathy(tmp_path)}")
    lost = write_coco(tmp_path / "lost", annotations=[{"image_id": 8, "caption": "eight"}])
    with pytest.raises(CorruptFile, match="a caption of image 8, which it does not list"):
        load_table(f"coco:{lost}")
    with pytest.raises(CorruptFile, match="has no captions"), pytest.warns(UserWarning, match="3 image"):
        load_table(f"coco:{write_coco(tmp_path / 'test', annotations=[])}")


def test_a_folder_without_its_pictures(tmp_path: Path) -> None:
    path = write_coco(tmp_path)
    (tmp_path / "train2017").mkdir()
    with pytest.raises(WrongCall, match="none of the 3 files is in .*train2017 .*: the folder is empty"):
        load_table(f"coco:{path}?images={tmp_path}/train2017")
