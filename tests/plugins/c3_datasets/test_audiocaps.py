"""AudioCaps: a row for each caption of a clip, and clips under the names that tools give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core import CorruptFile, WrongCall, load_table
from tests.helpers.miniatures import write_csv

ROWS = (
    ["audiocap_id", "youtube_id", "start_time", "caption"],
    ["103", "rqfQRErjfk8", "170", "A crowd, cheering"],
    ["104", "-Vo4CAMX26U", "30", "Un perro"],
    ["105", "rqfQRErjfk8", "170", "Applause"],
    ["106", "rqfQRErjfk8", "20", "Speech"],
)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    return write_csv(tmp_path / "test.csv", *ROWS)


@pytest.mark.parametrize(
    "names",
    [
        ("rqfQRErjfk8_170.wav", "-Vo4CAMX26U_30.wav"),
        ("rqfQRErjfk8.wav", "-Vo4CAMX26U.mp3"),
        ("rqfQRErjfk8_170_180.flac", "-Vo4CAMX26U_30000_40000.flac"),
        ("rqfQRErjfk8_170.000_180.000.wav", "-Vo4CAMX26U_30_40.m4a"),
        ("YrqfQRErjfk8.wav", "Y-Vo4CAMX26U_30.wav"),
        ("105.wav", "104.WAV"),
    ],
)
def test_a_clip_is_found_by_any_of_its_names(captions: Path, names: tuple[str, str]) -> None:
    clips = captions.parent / "clips"
    for name in (*names, names[0] + ".part", "rqfQRErjfk8_170.json"):
        (clips / name).touch()
    table = load_table("audiocaps:test.csv?audio=clips", folder=captions.parent)
    assert table.column("text") == ["A crowd, cheering", "Applause", "Un perro", "Speech"]
    assert table.column("audio")[:3] == [str(clips / name) for name in (names[0], names[0], names[1])]


def test_a_name_with_the_start_goes_before_one_without(captions: Path) -> None:
    clips = captions.parent / "clips"
    for name in ("rqfQRErjfk8.wav", "rqfQRErjfk8_20.mp3", "rqfQRErjfk8_20.wav"):
        (clips / name).touch()
    found = load_table(f"audiocaps:{captions}?audio={clips}").grouped("audio", "text")
    assert found == [
        (str(clips / "rqfQRErjfk8.wav"), ["A crowd, cheering", "Applause"]),
        (str(clips / "-Vo4CAMX26U.wav"), ["Un perro"]),  # missing
        (str(clips / "rqfQRErjfk8_20.wav"), ["Speech"]),
    ]


def test_without_a_folder_there_are_only_captions(captions: Path) -> None:
    assert load_table(f"audiocaps:{captions}").columns.keys() == {"text"}


def test_what_is_not_there(captions: Path) -> None:
    (captions.parent / "clips" / "other.wav").touch()
    with pytest.raises(WrongCall, match="audio: none of the 3 files is in .*clips .*: the folder holds other.wav"):
        load_table(f"audiocaps:{captions}?audio={captions.parent}/clips")
    write_csv(captions, ["id", "caption"], ["1", "a"])
    with pytest.raises(CorruptFile, match="no file of AudioCaps: it has no column audiocap_id, youtube_id, start_time"):
        load_table(f"audiocaps:{captions}")
