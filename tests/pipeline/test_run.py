"""What a pipeline takes and gives in Python: one source or many, of one modality or several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from c3_playground.world import World
from c3core import BadItem, C3Error, Pipeline, WrongCall, load_items, load_pipeline
from tests.helpers.spaces import playground_captioner, write_mixed_files


@pytest.fixture(scope="module")
def captioner() -> Pipeline:
    return playground_captioner()


@pytest.fixture(scope="module")
def painter() -> Pipeline:
    return load_pipeline("playground/painter-stylegan")


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mixed_files(tmp_path_factory.mktemp("mix"))


def test_one_source_gives_one_output_and_many_give_a_list(captioner: Pipeline, mix: Path) -> None:
    path, picture = mix / "b.png", Image.open(mix / "b.png")
    expected = captioner.run([path], modality="image")
    assert isinstance(expected, list)
    for source in (path, str(path), picture, np.asarray(picture)):
        assert captioner(source) == expected[0]
        assert captioner([source, source]) == expected * 2
    assert captioner(iter([path])) == expected
    assert captioner([]) == []


def test_a_wave_with_its_rate_is_one_source(captioner: Pipeline) -> None:
    wave = World().items("audio", "test", 1)[0].data
    assert captioner((wave, 8000)) == captioner.run([(wave, 8000)], modality="audio")[0]


def test_further_keywords_are_options_of_the_decoder(captioner: Pipeline, mix: Path) -> None:
    assert captioner(mix / "b.png", max_new_tokens=1) == captioner.run(mix / "b.png", generation={"max_new_tokens": 1})
    assert captioner(mix / "b.png", generation={"max_new_tokens": 5}, max_new_tokens=1) == captioner(
        mix / "b.png", max_new_tokens=1
    )
    with pytest.raises(WrongCall, match="did you mean max_new_tokens"):
        captioner(mix / "b.png", max_new_token=1)


def test_sources_of_several_modalities_are_each_read_as_their_own(captioner: Pipeline, mix: Path) -> None:
    items = load_items(mix, None)
    expected = [captioner.run(str(path)) for path in items]
    assert captioner(items) == expected
    assert [Path(path).name for path in items] == ["a.wav", "b.png", "c.gif"]
    first, strange, last = captioner([mix / "a.wav", "notes.xyz", mix / "b.png"])
    assert [first, last] == expected[:2]
    assert isinstance(strange, BadItem)
    assert "modality=" in strange.why


def test_a_source_that_is_none_is_an_error_alone_and_a_bad_item_among_others(captioner: Pipeline, mix: Path) -> None:
    with pytest.raises(C3Error, match=r"missing\.png: no such file"):
        captioner("missing.png")
    assert isinstance(captioner(["missing.png", mix / "b.png"])[0], BadItem)
    with pytest.raises(WrongCall, match="load_items"):
        captioner(mix, modality="image")


def test_pictures_come_out_as_pil_images_that_can_be_read_again(painter: Pipeline) -> None:
    sentences = World().sentences(2, "test", "image")
    pictures = painter(sentences)
    assert all(isinstance(picture, Image.Image) for picture in pictures)
    embedded = painter.space.encode(pictures, "image")
    assert embedded.equal(painter.space.encode([np.asarray(picture) for picture in pictures], "image"))
    assert isinstance(painter(pictures[0], best_of=2), Image.Image)


def test_a_sentence_that_is_the_name_of_a_file_is_warned_of(
    painter: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("captions.txt").write_text("a star\n")
    with pytest.warns(UserWarning, match=r"captions\.txt is read as a sentence, .*load_items"):
        painter(["a red ring", "captions.txt"], modality="text")
