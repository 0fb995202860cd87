"""Inception's figures against torch-fidelity's own run over the same pictures, with random weights in the real network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from c3core.errors import C3Error
from c3core.metrics.inception import inception_features, inception_metrics, load_inception

torch_fidelity = pytest.importorskip("torch_fidelity")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of the real network: the class cannot be made without a file, so it gets an empty one that it then ignores."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Untrained(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: Any, **__: Any) -> None:
            """Keeps what it began with."""

    folder = tmp_path_factory.mktemp("inception")
    torch.save({}, folder / "empty.pth")
    torch.manual_seed(0)
    network = Untrained("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(folder / "empty.pth"))
    for layer in network.modules():  # as torch begins, so many layers would let nothing through
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(layer.weight)
    (features,) = network(torch.from_numpy(np.stack(pictures(4, 2))).permute(0, 3, 1, 2))
    mean = torch.nn.functional.normalize(features.mean(0), dim=0)
    shared = network.fc.weight @ mean  # what all pictures have in common would decide every picture's class
    network.fc.weight.copy_((network.fc.weight - shared[:, None] * mean) * 100 / features.std(0).norm())
    torch.save(network.state_dict(), folder / "weights.pth")
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder


def pictures(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return list(np.kron(rng.integers(0, 256, (count, 4, 4, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8))


class Listed(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, made: list[np.ndarray]) -> None:
        self.made = made

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, at: int) -> torch.Tensor:
        return torch.from_numpy(self.made[at]).permute(2, 0, 1)


def test_the_figures_are_torch_fidelitys_own(weights: Path) -> None:
    made, true = pictures(20, 0), pictures(12, 1)  # two a split of the score
    network = load_inception(weights / "weights.safetensors")
    ours = inception_metrics(inception_features(network, made), inception_features(network, true))
    theirs = torch_fidelity.calculate_metrics(
        input1=Listed(made), input2=Listed(true), fid=True, isc=True, cuda=False, verbose=False, batch_size=8, save_cpu_ram=True,
        feature_extractor_weights_path=str(weights / "weights.pth"), rng_seed=0, cache=False,
    )  # fmt: skip
    assert theirs["frechet_inception_distance"] > 1
    assert theirs["inception_score_mean"] > 1.01
    assert ours["fid"] == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)
    assert ours["inception_score"] == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
    assert "kid_mean" not in ours, "fewer than a subset"


@pytest.mark.parametrize("wrong", ["missing", "truncated", "another"])
def test_a_file_of_something_else_is_one_clear_error(weights: Path, tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "weights.safetensors"
    if wrong == "truncated":
        path.write_bytes((weights / "weights.safetensors").read_bytes()[:1000])
    if wrong == "another":
        save_file({"layer": torch.ones(2)}, path)
    with pytest.raises(C3Error, match="does not hold Inception's weights"):
        load_inception(path)


def test_no_pictures_are_refused(weights: Path) -> None:
    with pytest.raises(C3Error, match="no pictures"):
        inception_features(load_inception(weights / "weights.safetensors"), [])
