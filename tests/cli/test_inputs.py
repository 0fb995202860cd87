"""From the words of a command line to inputs and options."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from c3core.cli.inputs import guess_modality, options_of, sources_of
from c3core.errors import C3Error

PAINTER = SimpleNamespace(
    space=SimpleNamespace(modalities=("text", "image", "audio")), decoder=SimpleNamespace(modality="image")
)


@pytest.mark.parametrize("word", ["prompt=2020-13-45", "prompt=[red", "prompt=a: b: c", "prompt"])
def test_an_option_that_cannot_be_read_is_named(word: str) -> None:
    with pytest.raises(C3Error, match="prompt"):
        options_of([word])


def test_a_value_is_read_as_in_a_recipe() -> None:
    assert options_of(["noise_std=1e-2", "num_beams=3", "do_sample=true", "prompt=a red ring"]) == {
        "noise_std": 0.01,
        "num_beams": 3,
        "do_sample": True,
        "prompt": "a red ring",
    }


def test_an_option_without_a_name_is_refused() -> None:
    with pytest.raises(C3Error, match="written name=value"):
        options_of(["=3"])


def test_a_sentence_longer_than_any_file_name_is_text() -> None:
    assert guess_modality(PAINTER, ["a red ring " * 60]) == "text"


def test_files_are_known_by_their_media_type(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.wav").touch()
    assert guess_modality(PAINTER, [str(tmp_path)]) == "audio"
    with pytest.raises(C3Error, match=r"text\|image\|audio"):
        (tmp_path / "sub" / "a.wav").rename(tmp_path / "sub" / "a.xyz")
        guess_modality(PAINTER, [str(tmp_path)])


def test_a_folder_without_files_is_said(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".hidden").touch()
    with pytest.raises(C3Error, match="holds no files"):
        guess_modality(PAINTER, [str(tmp_path)])


def test_a_column_of_a_table_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,caption,title\na star,a ring,a sun\n")
    for column in ("text", "caption"):
        assert guess_modality(PAINTER, [f"{tmp_path / 't.csv'}:{column}"]) == "text"
    with pytest.raises(C3Error, match=r"column 'title' is not called .*which modality .* text\|image\|audio"):
        guess_modality(PAINTER, [f"{tmp_path / 't.csv'}:title"])
    two = SimpleNamespace(
        space=SimpleNamespace(modalities=("text", "image")), decoder=SimpleNamespace(modality="image")
    )
    assert guess_modality(two, [f"{tmp_path / 't.csv'}:title"]) == "text"  # the only one that is left


def test_a_list_is_of_what_its_first_line_is(tmp_path: Path) -> None:
    for lines, modality in (
        ("\npics/a.png\nb.png\n", "image"),
        ("a.wav\n", "audio"),
        ("a red star\nb.png\n", "text"),
        ("star\n", "text"),
    ):
        for name in ("list.txt", "LIST.TXT"):
            (tmp_path / name).write_text(lines)
            assert guess_modality(PAINTER, [str(tmp_path / name)]) == modality


def test_an_empty_input_is_refused_whatever_the_folder_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").touch()
    monkeypatch.chdir(tmp_path)
    for empty in ("", "  "):
        with pytest.raises(C3Error, match="an input is empty"):
            guess_modality(PAINTER, [empty])
        with pytest.raises(C3Error, match="an input is empty"):
            sources_of(["a star", empty], "text")


@pytest.mark.parametrize("word", ["./no_such_folder/", "photo.jpeg2", "photo.jpg.part"])
def test_a_mistyped_path_is_no_sentence(word: str) -> None:
    with pytest.raises(C3Error, match="does not exist"):
        guess_modality(PAINTER, [word])


@pytest.mark.parametrize("sentence", ["circle", "a ring and/or a star", "a ring. and a star.txt"])
def test_words_are_sentences(sentence: str) -> None:
    assert guess_modality(PAINTER, [sentence]) == "text"
