"""Karpathy's splits of COCO, Flickr8k and Flickr30k."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core import CorruptFile, Table, WrongCall, load_table
from c3core.media import ImageReader
from tests.helpers.miniatures import write_coco, write_karpathy


def load(path: Path, query: str) -> Table:
    return load_table(f"karpathy:{path.name}?{query}", folder=path.parent)


def test_a_row_for_each_caption_of_a_split(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 image item\(s\) have no caption"):
        table = load(write_karpathy(tmp_path), "split=test&images=photos")
    photo, five = (str(tmp_path / "photos" / "val2014" / name) for name in ("3 & ñ.png", "five.png"))
    assert table.columns == {"image": [photo] * 3 + [five], "text": ["Trois chevaux", "三匹の馬", "three", "five"]}
    assert ImageReader().read(photo).size == (32, 32)


def test_train_is_with_restval_and_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = write_karpathy(tmp_path)
    table = load(path, "split=train&images=photos")
    assert table.grouped("image", "text") == [
        (str(tmp_path / "photos" / "train2014" / "one.png"), ["A red cat.", "Ein Kätzchen läuft."]),
        (str(tmp_path / "photos" / "val2014" / "one.png"), ["Another one."]),
    ]
    assert load(path, "split=restval").columns == {"text": ["Another one."]}


def test_the_pictures_may_lie_in_one_folder_if_their_names_differ(tmp_path: Path) -> None:
    path = write_karpathy(tmp_path)
    table = load(path, f"split=val&images={tmp_path}/photos/val2014")
    assert table.column("image") == [str(tmp_path / "photos" / "val2014" / "two.png")]
    with pytest.raises(WrongCall, match="2 pictures are called .*one.png. Name the folder that holds their own"):
        load(path, "split=train&images=photos/val2014")


def test_flickr_has_no_folders(tmp_path: Path) -> None:
    table = load(write_karpathy(tmp_path, nested=False), "split=val&images=photos")
    assert table.column("image") == [str(tmp_path / "photos" / "2-two.png")]


def test_a_picture_that_is_missing_stays_in_the_table(tmp_path: Path) -> None:
    path = write_karpathy(tmp_path)
    missing = tmp_path / "photos" / "train2014" / "one.png"
    missing.unlink()
    assert load(path, "split=train&images=photos").column("image")[0] == str(missing)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("split=tset", "has no split 'tset': did you mean test?"),
        ("images=photos", "known: restval, test, train, val"),
        ("split=val&images=photo", "images: .*photo does not exist: the folder holds dataset_coco.json, photos/"),
        ("split=val&images=dataset_coco.json", "is no folder"),
        ("split=val&images=photos/train2014", "none of the 1 files .*two.png.*the folder holds one.png"),
        ("split=val&image=photos", "did you mean images"),
    ],
)
def test_what_is_not_there_is_one_error_that_says_what_is(tmp_path: Path, query: str, says: str) -> None:
    with pytest.raises(WrongCall, match=says) as caught:
        load(write_karpathy(tmp_path), query)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_missing_or_of_another_format(tmp_path: Path) -> None:
    write_coco(tmp_path)
    with pytest.raises(
        WrongCall, match="dataset.json does not exist: the folder holds captions_val2017.json, val2017/"
    ):
        load(tmp_path / "dataset.json", "split=test")
    with pytest.raises(CorruptFile, match=r"no file of Karpathy's splits \(it holds info, licenses, images, annotat"):
        load(tmp_path / "captions_val2017.json", "split=test")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(CorruptFile, match=r"\(a list\)"):
        load(tmp_path / "list.json", "split=test")
    (tmp_path / "cut.json").write_text('{"images": [')
    with pytest.raises(CorruptFile, match="cannot be read as JSON"):
        load(tmp_path / "cut.json", "split=test")
