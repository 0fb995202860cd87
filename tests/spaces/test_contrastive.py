"""The contrastive loss against float64 written out, and the paper's Lemma 1."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from c3_playground.world import World
from c3core import load_tower
from c3core.spaces.contrastive import ContrastiveModel, Temperature, info_nce
from c3core.spaces.dataset import ColumnDataset, PairDataset
from c3core.spaces.head import Head
from tests.helpers.towers import VectorTower, vectors


def by_hand(x: np.ndarray, y: np.ndarray, scale: float) -> float:
    """−1/(2n) Σᵢ [log softmax over j of row i, and of column i], term by term in float64."""
    n, total = len(x), 0.0
    for i in range(n):
        row = [math.exp(scale * float(x[i] @ y[j])) for j in range(n)]
        column = [math.exp(scale * float(x[j] @ y[i])) for j in range(n)]
        total -= math.log(row[i] / sum(row)) + math.log(column[i] / sum(column))
    return total / (2 * n)


@given(st.integers(2, 6), st.integers(1, 5), st.floats(0.1, 20), st.integers(0, 1000))
def test_info_nce_is_the_formula(n: int, dim: int, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = F.normalize(torch.randn(n, dim, generator=generator, dtype=torch.float64), dim=-1)
    y = F.normalize(torch.randn(n, dim, generator=generator, dtype=torch.float64), dim=-1)
    assert float(info_nce(x, y, scale)) == pytest.approx(by_hand(x.numpy(), y.numpy(), scale), rel=1e-9)


def test_no_gradient_crosses_the_gap() -> None:
    """Lemma 1: if all texts share a coordinate, the images' mean gets no gradient along it, so the gap there stays."""
    torch.manual_seed(0)
    x = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    y = torch.randn(6, 5, dtype=torch.float64)
    y[:, 4] = 0.7
    info_nce(x, y, 1 / 0.07).backward()
    assert x.grad is not None
    assert abs(float(x.grad[:, 4].mean())) < 1e-12
    assert abs(float(x.grad[:, 0].mean())) > 1e-3


def test_the_temperature_is_fixed_or_learned_and_capped() -> None:
    assert float(Temperature(0.01, learned=False)()) == pytest.approx(100.0)
    assert not Temperature(0.01, learned=False).log_scale.requires_grad
    learned = Temperature(0.001, learned=True)
    assert learned.log_scale.requires_grad
    assert float(learned().detach()) == pytest.approx(100.0)
    assert float(Temperature(0.005, learned=False)()) == pytest.approx(200.0)  # only a learned one is capped


@pytest.mark.parametrize("start", [0.01, 0.001])
def test_a_temperature_at_its_cap_can_come_back(start: float) -> None:
    temperature = Temperature(start, learned=True)
    (-temperature()).backward()  # of a loss that wants it higher
    with torch.no_grad():
        temperature.log_scale += 0.1
    temperature.log_scale.grad = None
    temperature().backward()
    assert temperature.log_scale.grad is not None
    assert float(temperature.log_scale.grad) == pytest.approx(100.0)


def test_measure_tells_recall_gap_cosine_and_noise(tmp_path: Path) -> None:
    torch.manual_seed(0)
    towers = {modality: load_tower(f"playground-{modality}") for modality in ("text", "image")}
    heads = {modality: Head(tower.width, 4).eval() for modality, tower in towers.items()}
    model = ContrastiveModel(towers, heads, Temperature(0.1, learned=False))
    items = World().items("image", "test", 6)
    sentences, pictures = [item.sentences[0] for item in items], [item.data for item in items]
    text = ColumnDataset(towers["text"], sentences, tmp_path / "text", quiet=True)
    image = ColumnDataset(towers["image"], pictures, tmp_path / "image", quiet=True)
    found = model.measure(PairDataset(text, image))

    x, y = (
        F.normalize(heads[column.tower.modality](column.features), dim=-1).detach().double().numpy()
        for column in (text, image)
    )
    own = (x * y).sum(axis=1)
    assert found["x_to_y"] == pytest.approx(np.mean((x @ y.T).argmax(axis=1) == np.arange(6)))
    assert found["y_to_x"] == pytest.approx(np.mean((y @ x.T).argmax(axis=1) == np.arange(6)))
    assert found["gap"] == pytest.approx(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)), abs=1e-5)
    assert found["pair_cosine"] == pytest.approx(own.mean(), abs=1e-5)
    noise = (x - y) - (x - y).mean(axis=0)
    assert found["noise_std"] == pytest.approx(noise.std(ddof=1), abs=1e-5)


def vector_pairs(folder: Path, **options: object) -> PairDataset:
    towers = (VectorTower(modality, **options) for modality in ("a", "b"))  # type: ignore[arg-type]
    x, y = (ColumnDataset(tower, vectors(6, seed), folder / str(seed), quiet=True) for seed, tower in enumerate(towers))
    return PairDataset(x, y)


def model_of(pairs: PairDataset, **head: float) -> ContrastiveModel:
    torch.manual_seed(0)
    towers = {column.tower.modality: column.tower for column in (pairs.x, pairs.y)}
    heads = {modality: Head(tower.width, 2, **head) for modality, tower in towers.items()}  # type: ignore[arg-type]
    return ContrastiveModel(towers, heads, Temperature(0.1, learned=True))


def test_a_model_trains_all_but_its_frozen_towers(tmp_path: Path) -> None:
    for frozen in (True, False):
        model = model_of(vector_pairs(tmp_path / str(frozen), frozen=frozen))
        trained = {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert trained == {"heads", "temperature"} | (set() if frozen else {"towers"})


def test_items_are_augmented_only_for_training(tmp_path: Path) -> None:
    pairs = vector_pairs(tmp_path)
    model = model_of(pairs)
    plain, again = (model.embed(pairs.x, [2, 0]) for _ in range(2))
    assert torch.equal(plain, again)
    assert torch.equal(plain, model.embed(pairs.x, range(6))[[2, 0]])
    drawn, same, other = (model.embed(pairs.x, [2, 0], torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(drawn, same)
    assert not torch.allclose(drawn, plain)
    assert not torch.allclose(drawn, other)


def test_the_loss_is_that_of_the_chosen_pairs(tmp_path: Path) -> None:
    pairs = vector_pairs(tmp_path, frozen=True)  # not augmented
    model = model_of(pairs).eval()
    x, y = model.embed(pairs.x, [3, 1, 0]), model.embed(pairs.y, [2, 5, 4])
    loss = model.loss(pairs, [3, 1, 0], [2, 5, 4], torch.Generator())
    assert float(loss.detach()) == pytest.approx(by_hand(x.detach().numpy(), y.detach().numpy(), 10.0), rel=1e-5)


def test_a_model_is_measured_without_dropout(tmp_path: Path) -> None:
    pairs = vector_pairs(tmp_path)
    model = model_of(pairs, feature_dropout=0.5).train()
    assert model.measure(pairs) == model.measure(pairs)
