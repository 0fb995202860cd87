"""The model card of a saved pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from c3core import Pipeline
from c3core.io import model_license
from c3core.io.model_card import WRITTEN, is_own_card
from c3core.pipeline.card import card
from c3core.pipeline.manifest import BridgePart, DecoderPart, Manifest, SpacePart
from tests.helpers.spaces import fitted, write_space


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return fitted(write_space(tmp_path_factory.mktemp("space")))


def test_the_card_says_what_a_pipeline_is_and_how_to_use_it(pipeline: Pipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "captioner")
    text = (tmp_path / "captioner" / "README.md").read_text(encoding="utf-8")
    about = yaml.safe_load(text.split("---")[1])
    assert about == {
        "library_name": "c3core",
        "license": "other",
        "license_name": "own",
        "tags": ["c3", "image-to-text"],
    }
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
    path = tmp_path / "README.md"
    pipeline.save_pretrained(tmp_path)
    first = path.read_text(encoding="utf-8")
    path.write_text(f"{WRITTEN}\nold", encoding="utf-8")
    pipeline.save_pretrained(tmp_path)
    assert path.read_text(encoding="utf-8") == first
    path.write_text("my own words", encoding="utf-8")
    pipeline.save_pretrained(tmp_path)
    assert path.read_text(encoding="utf-8") == "my own words"


def test_the_card_of_a_painter_of_several_licenses_and_trainings() -> None:
    manifest = Manifest(
        c3core="1",
        space=SpacePart(spec="clip:ViT-B-32", dim=512, fingerprints={"text": "f"}),
        bridge=BridgePart(name="of-a-plugin", config={"modalities": ["text", "image"]}),
        decoder=DecoderPart(name="stylegan", modality="image"),
        trained_on=[
            {
                "modality": "image", "rows": 12345, "supervised": False, "steps": 60, "validation_loss": 0.12345,
                "statistics_of": {"image": 12345, "text": 1000},
            },
            {"modality": "text", "rows": 9, "supervised": True, "statistics_of": {}},
            {"modality": None, "rows": 0, "supervised": False, "statistics_of": {"audio": 5}},
        ],
        licenses={"encoder:text": "MIT", "decoder": "own"},
        files={},
    )  # fmt: skip
    text = card(manifest, "painter")
    assert yaml.safe_load(text.split("---")[1]) == {
        "library_name": "c3core",
        "license": "other",
        "tags": ["c3", "text-to-image"],
    }
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("|")] == [
        "| part | name |  |",
        "| --- | --- | --- |",
        "| space | clip:ViT-B-32 | 512 dimensions |",
        "| bridge | of-a-plugin |  |",
        "| decoder | stylegan | makes image |",
        "| learned from | steps | validation loss | means of |",
        "| --- | --- | --- | --- |",
        "| 12,345 image | 60 | 0.123 | 12,345 image, 1,000 text |",
        "| 9 text (pairs) | – | – |  |",
        "| – | – | – | 5 audio |",
        "| part | license |",
        "| --- | --- |",
        "| encoder:text | MIT |",
        "| decoder | own |",
    ]
    assert {"```python", "import c3core", 'pipeline = c3core.load_pipeline("painter")', "```sh"} <= {*lines}
    assert "c3 run painter INPUT --out FOLDER" in lines
    assert "A pipeline of c3core: it takes text, image, and makes image." in lines
    manifest.bridge.config.clear()
    assert "it takes any modality of its space, and makes image." in card(manifest, "painter")


def test_a_card_is_a_users_own_without_the_line_that_says_otherwise(tmp_path: Path) -> None:
    assert not is_own_card(tmp_path / "README.md")
    (tmp_path / "README.md").write_bytes(b"my own \xff words")
    assert is_own_card(tmp_path / "README.md")
    (tmp_path / "README.md").write_text(f"---\n---\n{WRITTEN}\n# x\n", encoding="utf-8")
    assert not is_own_card(tmp_path / "README.md")
