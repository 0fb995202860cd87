"""The modality of sources, guessed by names, words and types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from c3core.data.input import is_path
from c3core.data.items import guess_items
from c3core.data.modality import as_picture, group_by_modality, guess_modality, is_one
from c3core.errors import WrongCall

KNOWN = ("text", "image", "audio", "video")
PICTURE, CLIP, WAVE = np.zeros((4, 6, 3), np.uint8), np.zeros((2, 4, 6, 3), np.uint8), np.zeros(8000)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def guess(*inputs: str, target: str = "image", known: tuple[str, ...] = KNOWN) -> list[str | None]:
    return guess_items(inputs, known, target=target)[1]


@pytest.mark.parametrize(
    ("source", "modality"),
    [
        ("photos/a.JPG", "image"),
        (Path("a.wav"), "audio"),
        ("a.mp4", "video"),
        ("a.gif", "video"),
        ("circle", "text"),
        ("a ring and/or a star.", "text"),
        ("what is in a.png?", "text"),
        ("a red ring " * 600, "text"),  # longer than any file name
        (Image.new("L", (4, 4)), "image"),
        (PICTURE, "image"),
        (PICTURE[..., 0], "image"),
        (CLIP, "video"),
        ((CLIP, 25), "video"),
        (WAVE, "audio"),
        ((np.zeros((2, 8000), np.float32), 8000), "audio"),
        (np.zeros((4, 4)), None),  # a plane of depth, or a wave of four channels?
        ({"a": 1}, None),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str | Path) else type(value).__name__,
)
def test_a_source_is_known_by_its_name_or_type(source: Any, modality: str | None) -> None:
    assert guess_modality(source, KNOWN, target="image") == modality


def test_a_guess_is_one_of_the_modalities_of_the_space() -> None:
    assert guess_modality("a.gif", ("text", "image")) == "image"
    assert guess_modality("a.png", ("text", "audio"), target="text") is None
    assert guess_modality("a red ring", KNOWN, target="text") is None  # a captioner captions no sentence unasked


@pytest.mark.parametrize("name", ["./no_such_folder/", "photo.jpeg2", "photo.jpg.part", "my captions.txt"])
def test_a_mistyped_path_is_no_sentence(name: str) -> None:
    assert is_path(name)
    with pytest.raises(WrongCall, match="does not exist"):
        guess_modality(name, KNOWN, target="image")


def test_a_column_of_a_table_is_known_by_its_name() -> None:
    Path("t.csv").write_text("text,caption,title\na star,a ring,a sun\n")
    assert guess("t.csv:text") == guess("t.csv:caption") == ["text"]
    with pytest.raises(WrongCall, match="which modality column 'title' has"):
        guess("t.csv:title")
    assert guess("t.csv:title", known=("text", "image")) == ["text"]  # the only one but the decoder's


@pytest.mark.parametrize("name", ["list.txt", "LIST.TXT"])
@pytest.mark.parametrize(
    ("lines", "modalities"),
    [
        ("\na.png\nb.wav\n", ["image", "audio"]),
        ("a red star\nb.png\n", ["text", "text"]),
        ("star\n", ["text"]),
    ],
)
def test_a_list_is_of_sentences_or_of_paths_as_its_first_line_is(name: str, lines: str, modalities: list[str]) -> None:
    Path(name).write_text(lines)
    assert guess(name) == modalities


def test_the_files_of_a_folder_are_guessed_one_by_one() -> None:
    for name in ("mix/a.wav", "mix/sub/b.png", "mix/c.mp4", "mix/notes.xyz", "mix/.hidden.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("mix/words.txt").write_text("a star\na ring\n")
    sources, guesses = guess_items(["mix"], KNOWN, target="image")
    assert {source.id: guess for source, guess in zip(sources, guesses, strict=True)} == {
        "mix/a.wav": "audio",
        "mix/c.mp4": "video",
        "mix/notes.xyz": None,
        "mix/sub/b.png": "image",
        "mix/words.txt:1": "text",
        "mix/words.txt:2": "text",
    }
    assert sorted(map(str, guess("mix/*.*", "a sun"))) == ["None", "audio", "text", "text", "text", "video"]


@pytest.mark.parametrize(
    ("inputs", "says"), [([""], "is empty"), (["a star", "  "], "is empty"), (["sub"], "no files")]
)
def test_an_input_of_nothing_is_refused(inputs: list[str], says: str) -> None:
    Path("sub").mkdir()
    Path("sub/.hidden").touch()
    with pytest.raises(WrongCall, match=says):
        guess(*inputs)


def test_an_open_guess_is_settled_by_the_others() -> None:
    known = ("text", "image", "audio")
    assert group_by_modality(["a.png", "b"], known, target="text", guesses=["image", None])[0] == {"image": [0, 1]}
    assert group_by_modality(["a"], ("text", "audio"), target="text", guesses=[None])[0] == {"audio": [0]}
    with pytest.raises(WrongCall, match="a: no such file"):
        group_by_modality(["a"], known, target="text", guesses=[None])


def test_what_is_left_out_of_several_modalities_is_said_with_what_to_do() -> None:
    groups, left_out = group_by_modality(
        ["a.png", "b.wav", "c", "d.mp4"], KNOWN, target="text", takes={"image", "audio"}.__contains__
    )
    assert groups == {"image": [0], "audio": [1]}
    assert "--modality" in left_out[2].why
    assert "takes no video" in left_out[3].why


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (5, "<int>: this type does not tell its modality: say which it is"),
        (".", r"a folder: give the files in it, c3core.load_items\('.'\)"),
        ("a red ring", r"no such file; if these are words, say so \(modality='text'"),
    ],
)
def test_a_source_of_open_modality_is_said_with_what_to_do(source: Any, says: str) -> None:
    with pytest.raises(WrongCall, match=says):
        group_by_modality([source], ("text", "image", "audio"), target="text")


@pytest.mark.parametrize("source", ["a", b"a", Path("a"), PICTURE, Image.new("L", (1, 1)), (WAVE, 8000), {}, 3])
def test_one_source_is_told_from_many(source: Any) -> None:
    assert is_one(source)
    assert not is_one([source])
    assert not is_one(iter([source]))


def test_arrays_of_strings_are_many() -> None:
    assert not is_one(np.array(["a", "b"]))


def test_only_arrays_that_are_pictures_become_pictures() -> None:
    picture = as_picture(PICTURE)
    assert (picture.size, picture.mode) == ((6, 4), "RGB")
    for other in (CLIP, WAVE, "text", np.zeros((4, 6, 3), np.float32)):
        assert as_picture(other) is other


def test_an_address_is_not_fetched() -> None:
    with pytest.raises(
        WrongCall, match=r"https://a\.b/c does not exist on this machine, and addresses are not fetched"
    ):
        guess_modality("https://a.b/c", KNOWN)
