"""Clotho: five captions of each sound."""

from __future__ import annotations

from pathlib import Path

import pytest

from c3core import CorruptFile, WrongCall, load_table
from tests.helpers.miniatures import write_clotho, write_csv


def test_five_rows_for_each_sound_of_a_split(tmp_path: Path) -> None:
    write_clotho(tmp_path / "clotho")
    with pytest.warns(UserWarning, match=r"1 audio item\(s\) have no caption"):
        table = load_table("clotho:clotho?split=evaluation", folder=tmp_path)
    groups = table.grouped("audio", "text")
    sounds = tmp_path / "clotho" / "evaluation"
    assert [path for path, _ in groups] == [str(sounds / "Rain, on a roof.wav"), str(sounds / "Möwen.wav")]
    assert groups[1][1] == [f"Möwen.wav {k}, heard" for k in range(1, 6)]


def test_the_sounds_may_lie_elsewhere(tmp_path: Path) -> None:
    write_clotho(tmp_path)
    table = load_table("clotho:.?split=development&audio=evaluation", folder=tmp_path)
    assert table.column("audio")[0] == str(tmp_path / "evaluation" / "Rain, on a roof.wav")


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        (
            "clotho?split=evaluation",
            "clotho: .*clotho does not exist: the folder holds clotho_captions_development.csv",
        ),
        (".?split=eval", "has no split 'eval': known: development, evaluation"),
        (".", "known: development, evaluation"),
        (".?split=development", "audio: .*development does not exist"),
        ("evaluation", "has no clotho_captions_evaluation.csv or the like: the folder holds"),
        (".?split=development&audio=empty", "none of the 2 files is in .*: the folder is empty"),
    ],
)
def test_what_is_not_there_is_one_error_that_says_what_is(tmp_path: Path, argument: str, says: str) -> None:
    write_clotho(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongCall, match=says):
        load_table(f"clotho:{argument}", folder=tmp_path)


def test_a_table_of_other_columns(tmp_path: Path) -> None:
    write_csv(tmp_path / "clotho_captions_validation.csv", ["file_name", "keywords"], ["a.wav", "rain"])
    with pytest.raises(
        CorruptFile, match="no file of Clotho's captions: it has no column caption_1, but file_name, key"
    ):
        load_table(f"clotho:{tmp_path}")
