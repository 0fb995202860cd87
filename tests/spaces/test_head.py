"""Projection heads: pooling of parts, and the two kinds of normalization."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from c3core.errors import WrongCall
from c3core.spaces.head import Head, PatchPooling


def test_parts_are_mapped_alike_and_added() -> None:
    torch.manual_seed(0)
    pooling = PatchPooling(4, parts=3, hidden=5).double()
    features = torch.randn(2, 12, dtype=torch.float64)
    expected = torch.zeros(2, 5, dtype=torch.float64)
    for k in range(3):
        x = features[:, 4 * k : 4 * k + 4]
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        inner = F.gelu(x @ pooling.enter.weight.T + pooling.enter.bias + pooling.places[k])
        expected += (inner @ pooling.leave.weight.T + pooling.leave.bias).clamp_min(0)
    assert torch.allclose(pooling(features), expected, atol=1e-12)
    assert Head(12, 6, hidden=5, parts=3)(features.float()).shape == (2, 6)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(WrongCall, match="5 parts"):
        Head(12, 6, hidden=5, parts=5)
    with pytest.raises(WrongCall, match="`hidden`"):
        Head(12, 6, parts=3)


def test_a_head_maps_features_of_any_scale_to_the_space() -> None:
    features = torch.randn(3, 10) * 1e4
    assert Head(10, 4)(features).shape == (3, 4)
    hidden = Head(10, 4, hidden=7).eval()(features)
    assert hidden.shape == (3, 4)
    assert float(hidden.detach().abs().max()) < 100


def test_batch_norm_normalizes_each_feature_by_the_training_data() -> None:
    torch.manual_seed(0)
    scales = torch.logspace(-1, 3, 10)
    head = Head(10, 4, norm="batch").train()
    for _ in range(200):
        head(torch.randn(1024, 10) * scales + 5)
    normalized = head.eval().norm(torch.randn(4096, 10) * scales + 5).detach()
    torch.testing.assert_close(normalized.std(dim=0), torch.ones(10), atol=0.1, rtol=0)
    torch.testing.assert_close(normalized.mean(dim=0), torch.zeros(10), atol=0.1, rtol=0)
    rows = torch.randn(5, 10)
    torch.testing.assert_close(head(rows), torch.cat([head(row[None]) for row in rows]))


@pytest.mark.parametrize("options", [{"dropout": 0.5, "hidden": 7}, {"feature_dropout": 0.5}])
def test_dropout_acts_only_while_training(options: dict[str, float]) -> None:
    torch.manual_seed(0)
    head, features = Head(10, 4, **options), torch.randn(8, 10)  # type: ignore[arg-type]
    assert not torch.equal(head.train()(features), head(features))
    assert torch.equal(head.eval()(features), head(features))
