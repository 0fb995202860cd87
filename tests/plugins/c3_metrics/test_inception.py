"""Inception's scores equal those of torch-fidelity's own run over the same pictures, with random weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from c3_metrics import inception
from c3_metrics.inception import inception_features, inception_metrics, load_inception
from c3core.errors import CorruptFile, NotInstalled, WrongCall
from c3core.metrics import fid_and_kid

torch_fidelity = pytest.importorskip("torch_fidelity")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the network, whose class needs a file: it gets an empty one, and ignores it."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: Any, **__: Any) -> None:
            """Keep the random weights."""

    folder = tmp_path_factory.mktemp("inception")
    torch.save({}, folder / "empty.pth")
    torch.manual_seed(0)
    network = Untrained("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(folder / "empty.pth"))
    for layer in network.modules():  # with torch's own, nothing would pass through so many layers
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight)
    (features,) = network(torch.from_numpy(np.stack(pictures(4, 2))).permute(0, 3, 1, 2))
    mean = torch.nn.functional.normalize(features.mean(0), dim=0)
    shared = network.fc.weight @ mean  # without it, all pictures would have the same class
    network.fc.weight.copy_((network.fc.weight - shared[:, None] * mean) * 100 / features.std(0).norm())
    torch.save(network.state_dict(), folder / "weights.pth")
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder


def pictures(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(np.kron(rng.integers(0, 256, (count, 4, 4, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8))


class Listed(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.arrays[index]).permute(2, 0, 1)


def test_the_scores_equal_those_of_torch_fidelity(weights: Path) -> None:
    outputs, references = pictures(20, 0), pictures(12, 1)  # a split of the score has two pictures
    network = load_inception(weights / "weights.safetensors")
    ours = inception_metrics(inception_features(network, outputs), inception_features(network, references))
    theirs = torch_fidelity.calculate_metrics(
        input1=Listed(outputs), input2=Listed(references), fid=True, isc=True, cuda=False, verbose=False, batch_size=8, save_cpu_ram=True,
        feature_extractor_weights_path=str(weights / "weights.pth"), rng_seed=0, cache=False,
    )  # fmt: skip
    assert theirs["frechet_inception_distance"] > 1
    assert theirs["inception_score_mean"] > 1.01
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert ours["inception_score"] == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
    assert "kid_mean" not in ours, "fewer than a subset"


def test_pictures_are_read_in_batches_of_any_size(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_inception(weights / "weights.safetensors")
    sizes = []
    whole = inception_features(network, pictures(5, 0))
    network.register_forward_pre_hook(lambda _, given: sizes.append(given[0].shape))
    monkeypatch.setattr(inception, "BATCH", 2)
    pieces = inception_features(network, pictures(5, 0))
    assert sizes == [(2, 3, 32, 32), (2, 3, 32, 32), (1, 3, 32, 32)]
    assert [tuple(part.shape) for part in pieces] == [(5, 2048), (5, 1008)]
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_kid_is_that_of_the_pooled_features_and_the_seed() -> None:
    draw = torch.Generator().manual_seed(0)
    outputs, references = ((torch.randn(110, 8, generator=draw), torch.randn(110, 5, generator=draw)) for _ in range(2))
    for seed in (0, 3):
        found = inception_metrics(outputs, references, seed=seed)
        score = torch_fidelity.metric_isc.isc_features_to_metric(outputs[1], splits=10, rng_seed=seed)
        expected = {**fid_and_kid(outputs[0], references[0], seed=seed)[0]}
        assert found == {**expected, "inception_score": score["inception_score_mean"]}
        assert "kid_mean" in found
    few = inception_metrics((outputs[0][:3], outputs[1][:3]), references)
    assert few["inception_score"] == pytest.approx(1)  # a split of one picture


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [("missing", "No such file"), ("truncated", "deserializing header"), ("another", "layer")],
)
def test_another_file_is_one_error(weights: Path, tmp_path: Path, wrong: str, reason: str) -> None:
    path = tmp_path / "weights.safetensors"
    if wrong == "truncated":
        path.write_bytes((weights / "weights.safetensors").read_bytes()[:1000])
    if wrong == "another":
        save_file({"layer": torch.ones(2)}, path)
    with pytest.raises(CorruptFile, match=rf"does not hold Inception's weights \(.*{reason}.*\)\. Convert"):
        load_inception(path)


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(NotInstalled, match=r'Run: pip install "c3core\[metrics\]"'):
        load_inception(tmp_path / "weights.safetensors")


def test_the_network_is_put_on_the_device(weights: Path) -> None:
    network = load_inception(weights / "weights.safetensors", device="meta")
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}


def test_no_pictures_are_refused(weights: Path) -> None:
    with pytest.raises(WrongCall, match="no pictures"):
        inception_features(load_inception(weights / "weights.safetensors"), [])
