"""Model cards: the license that one names, and those that are written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from c3core.io import UNKNOWN_LICENSE, model_license
from c3core.io.model_card import write_card


@pytest.mark.parametrize(
    ("card", "license"),
    [
        ("---\nlicense: mit\n---\nA model.", "mit"),
        ("---\ntags: [a]\n---\nA model.", UNKNOWN_LICENSE),
        ("A model.", UNKNOWN_LICENSE),
        ("---\n: : [\n---", UNKNOWN_LICENSE),
        (None, UNKNOWN_LICENSE),
    ],
)
def test_the_license_that_a_folders_card_names(tmp_path: Path, card: str | None, license: str) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert model_license(tmp_path) == license


@pytest.mark.parametrize(
    ("licenses", "about"),
    [
        (["MIT", "mit"], {"license": "mit"}),
        (["Research use only: Flickr8k"], {"license": "other", "license_name": "research-use-only-flickr8k"}),
        (["MIT", "own"], {"license": "other"}),
    ],
)
def test_a_card_names_a_license_that_the_hub_takes(licenses: list[str], about: dict[str, str], tmp_path: Path) -> None:
    text = write_card("me/birds", licenses, ["image-to-text"], ["It names birds."])
    assert yaml.safe_load(text.split("---")[1]) == {"library_name": "c3core", **about, "tags": ["c3", "image-to-text"]}
    (tmp_path / "README.md").write_text(text)
    assert model_license(tmp_path) == about.get("license_name", about["license"])
