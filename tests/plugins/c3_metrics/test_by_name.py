"""Metrics that are chosen by name: those of captions that need Java, and those of papers of sounds and of pictures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from c3_metrics.captions import caption_metrics, meteor
from c3_metrics.inception import WEIGHTS, inception, inception_features, inception_metrics, load_inception
from c3_metrics.java_metrics import SPICE_JAR, SPICE_MODELS
from c3_metrics.sounds import spider
from c3core.errors import C3Error, NotInstalled
from c3core.registry import entry
from tests.helpers.fake_java import put_java

CAPTIONS = ["a dog barks", "rain falls on a roof"]
REFERENCES = [["a dog barks loudly", "dogs bark"], ["rain on a roof", "it rains"]]


def test_meteor_is_of_tokens_out_of_100(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pycocoevalcap", reason="needs the extra metrics")
    lines = tmp_path / "lines"
    put_java(monkeypatch, tmp_path, f'read a; echo "$a" > {lines}; echo 1; read b; echo 0.5; echo 0.5')
    assert meteor([], ["A dog's ball!"], [["a ball", "..."]]) == {"meteor": 50.0}
    assert lines.read_text() == "SCORE ||| a ball ||| a dog 's ball\n"


def test_spider_is_the_mean_of_cider_and_spice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a Java that scores SPICE by heart."""
    pytest.importorskip("pycocoevalcap", reason="needs the extra metrics")
    cider = caption_metrics(CAPTIONS, REFERENCES, metrics=["cider"])["cider"]
    monkeypatch.syspath_prepend(tmp_path)
    for name in (SPICE_JAR, SPICE_MODELS):
        (tmp_path / "pycocoevalcap" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pycocoevalcap" / name).touch()
    items = '[{"image_id": 0, "scores": {"All": {"f": 0.5}}}, {"image_id": 1, "scores": {"All": {"f": 0.0}}}]'
    put_java(monkeypatch, tmp_path, f"echo '{items}' > $6")
    assert spider([], CAPTIONS, REFERENCES) == {"spider": pytest.approx((cider + 25) / 2)}
    assert cider > 1


def test_without_spice_there_is_no_spider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pycocoevalcap", reason="needs the extra metrics")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(C3Error, match="SPIDEr needs SPICE"):
        spider([], CAPTIONS, REFERENCES)


@pytest.mark.skipif(find_spec("aac_metrics") is not None, reason="aac-metrics is there")
def test_fense_says_what_to_install() -> None:
    with pytest.raises(NotInstalled, match="aac_metrics"):
        entry("metric", "fense").load()


# ---- pictures


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of Inception in the format that `c3 convert` writes."""
    pytest.importorskip("torch_fidelity", reason="needs the extra metrics")
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, *_: Any, **__: Any) -> None:
            """Keep the random weights: the class needs a file, here an empty one."""

    folder = tmp_path_factory.mktemp("inception")
    torch.save({}, folder / "empty.pth")
    torch.manual_seed(0)
    network = Untrained("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(folder / "empty.pth"))
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight)
    save_file(network.state_dict(), folder / "inception.safetensors")
    return folder / "inception.safetensors"


def pictures(count: int, seed: int, side: int = 32) -> list[np.ndarray[Any, Any]]:
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3))
    return list(np.kron(blocks, np.ones((1, side // 4, side // 4, 1))).astype(np.uint8))


def test_pictures_are_compared_with_each_distinct_true_one(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEIGHTS, str(weights))
    made = pictures(6, 0)
    true = [*pictures(5, 1), *pictures(3, 2, side=48)]  # of two sizes
    paths = [str(tmp_path / f"{number}.png") for number in range(len(true))]
    for path, picture in zip(paths, true, strict=True):
        Image.fromarray(picture).save(path)
    references = [[path] for path in [*paths, paths[0], str(tmp_path / "missing.png")]]
    found = inception([], [Image.fromarray(picture) for picture in made], references)
    network = load_inception(weights)
    parts = [inception_features(network, some) for some in (true[:5], true[5:])]
    features = tuple(torch.cat(columns) for columns in zip(*parts, strict=True))
    expected = inception_metrics(inception_features(network, made), features)
    assert found["inception_fid"] == pytest.approx(expected["fid"], rel=1e-4)
    assert found["inception_score"] == pytest.approx(expected["inception_score"], rel=1e-4)
    assert found["inception_fid"] > 1


def test_missing_weights_are_said_with_the_way_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WEIGHTS, str(tmp_path / "none.safetensors"))
    with pytest.raises(NotInstalled, match="c3 convert"):
        inception([], pictures(2, 0), [["a.png"]])
