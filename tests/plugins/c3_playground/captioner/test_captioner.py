"""The captioner that ships describes pictures, videos and sounds."""

from __future__ import annotations

import pytest

from c3_playground.captioner import captioner
from c3_playground.captioner.training import train_captioner
from c3_playground.world import World, accuracy
from c3core import load_pipeline


@pytest.mark.parametrize(("modality", "right"), [("image", 0.8), ("video", 0.7), ("audio", 0.8)])
def test_it_says_most_factors_right(modality: str, right: float) -> None:
    items = World().items(modality, "test", 60)
    captions = load_pipeline("playground/captioner").run([item.data for item in items], modality=modality)
    found = sum(accuracy(caption, item.scene) for caption, item in zip(captions, items, strict=True)) / len(items)
    assert found > right
    assert len(set(captions)) > 50


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in captioner().rglob("*") if path.is_file()) < 4 * 2**20


def test_the_script_that_made_it_runs(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "c3_playground.captioner.training"
    monkeypatch.setattr(f"{script}.SENTENCES", 40)
    monkeypatch.setattr(f"{script}.UNPAIRED", 10)
    monkeypatch.setattr(f"{script}.TRAINING", {"steps": 2, "batch_size": 16})
    train_captioner(tmp_path)
    pipeline = load_pipeline(tmp_path)
    assert set(pipeline.modalities) == {"text", "image", "video", "audio"}
    (item,) = World().items("audio", "test", 1)
    assert isinstance(pipeline(item.data, modality="audio", max_new_tokens=3), str)
