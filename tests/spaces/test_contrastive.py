"""The contrastive loss against float64 written out, and the paper's Lemma 1."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from c3core.errors import C3Error
from c3core.spaces.contrastive import Head, PatchPooling, Temperature, info_nce


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
    """Lemma 1: where all texts share a coordinate, the images' mean gets no gradient along it, so the gap there stays."""
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
    assert float(learned()) == pytest.approx(100.0)
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


def test_parts_are_mapped_alike_and_added() -> None:
    torch.manual_seed(0)
    parts = PatchPooling(4, parts=3, hidden=5).double()
    features = torch.randn(2, 12, dtype=torch.float64)
    expected = torch.zeros(2, 5, dtype=torch.float64)
    for k in range(3):
        x = features[:, 4 * k : 4 * k + 4]
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        inner = F.gelu(x @ parts.enter.weight.T + parts.enter.bias + parts.places[k])
        expected += (inner @ parts.leave.weight.T + parts.leave.bias).clamp_min(0)
    assert torch.allclose(parts(features), expected, atol=1e-12)
    assert Head(12, 6, hidden=5, parts=3)(features.float()).shape == (2, 6)
    with pytest.raises(C3Error, match="features that 5 divides"):
        Head(12, 6, hidden=5, parts=5)
    with pytest.raises(C3Error, match="give `hidden`"):
        Head(12, 6, parts=3)


def test_a_head_maps_features_to_the_space() -> None:
    features = torch.randn(3, 10) * 1e4
    assert Head(10, 4)(features).shape == (3, 4)
    hidden = Head(10, 4, hidden=7).eval()(features)
    assert hidden.shape == (3, 4)
    assert float(hidden.detach().abs().max()) < 100  # scales of features are evened out


def test_a_head_with_batch_norm_evens_out_each_feature_by_what_it_saw() -> None:
    torch.manual_seed(0)
    scales = torch.logspace(-1, 3, 10)
    head = Head(10, 4, norm="batch").train()
    for _ in range(200):
        head(torch.randn(1024, 10) * scales + 5)
    even = head.eval().norm(torch.randn(4096, 10) * scales + 5).detach()
    torch.testing.assert_close(even.std(dim=0), torch.ones(10), atol=0.1, rtol=0)
    torch.testing.assert_close(even.mean(dim=0), torch.zeros(10), atol=0.1, rtol=0)
    rows = torch.randn(5, 10)
    torch.testing.assert_close(head(rows), torch.cat([head(row[None]) for row in rows]))
