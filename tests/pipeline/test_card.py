"""The model card of a saved pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from c3core import Pipeline
from c3core.io import model_license
from c3core.pipeline.card import WRITTEN
from tests.helpers.spaces import fitted, write_space


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return fitted(write_space(tmp_path_factory.mktemp("space")))


def test_the_card_says_what_a_pipeline_is_and_how_to_use_it(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "captioner")
    text = (tmp_path / "captioner" / "README.md").read_text(encoding="utf-8")
    about = yaml.safe_load(text.split("---")[1])
    assert about == {"library_name": "c3core", "license": "own", "tags": ["c3", "image-to-text"]}
    assert "# captioner" in text
    assert "it takes text, image, and makes text" in text
    assert 'c3core.load_pipeline("captioner")' in text
    assert "c3 run captioner INPUT\n" in text
    assert "| bridge | c3 | unit(e − ē + ε)" in text
    assert f"| {pipeline.trained_on[0]['rows']} text | 6 |" in text
    assert "60 text, 20 image" in text
    assert model_license(tmp_path / "captioner") == "own"
    Pipeline.from_pretrained(tmp_path / "captioner")  # the card is no foreign file


def test_a_card_that_a_user_wrote_is_kept(pipeline: Pipeline, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    pipeline.save_pretrained(tmp_path)
    first = card.read_text(encoding="utf-8")
    card.write_text(f"{WRITTEN}\nold", encoding="utf-8")
    pipeline.save_pretrained(tmp_path)
    assert card.read_text(encoding="utf-8") == first
    card.write_text("my own words", encoding="utf-8")
    pipeline.save_pretrained(tmp_path)
    assert card.read_text(encoding="utf-8") == "my own words"
